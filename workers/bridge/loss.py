"""When a task counts as lost. The idea is TCP's RACK-TLP (RFC 8985): not a fixed time-out, but evidence.

Pure: no I/O, and the clock is passed in (seconds that only rise).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.tasks import DetectRange

_FIRST_PATIENCE_S = 15.0
_LEAST_PATIENCE_S = 2.0
_MOST_PATIENCE_S = 120.0
_SERVICE_TIMES = 2.5
_LEAST_GRACE_S = 0.5
_SIGNS_OF_LIFE_S = 10.0
"""A worker that isolates a frame gives a sign of life every three seconds."""


@dataclass
class Flight:
    """A task between its enqueueing and its results.

    `alive_at` is when its worker last gave a sign of life; `dropped` whether it was missing from its queue when that
    was found emptied; `repeated` whether it was enqueued once before, and an answer may be that one's.
    """

    task: DetectRange
    enqueued_at: float
    overtaken_at: float | None = None
    alive_at: float | None = None
    dropped: bool = False
    repeated: bool = False


class LossDetector:
    """Watches the flights of one Celery queue, which hands tasks out in the order in which they came.

    A flight is lost when a flight enqueued later was settled and a few measured service times have passed since: it was
    taken before that one, and has had its time. Or when the queue has been empty, and nothing has come, for as long. A
    long backlog or an absent pool is neither. An isolated frame may take far longer than a service time; while it does,
    its worker gives signs of life, and the flight is lost when they stop.
    """

    def __init__(self) -> None:
        self._flights: dict[DetectRange, Flight] = {}  # in the order of their enqueueing
        self._of_place: defaultdict[tuple[str, int], dict[DetectRange, None]] = defaultdict(dict)
        self._last_progress = float("-inf")
        self._empty_since: float | None = None
        self._mean_s: float | None = None
        self._deviation_s = 0.0
        self._grace_s = 0.0
        self._in_doubt_until = float("-inf")
        self._gone: set[DetectRange] = set()

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, task: DetectRange) -> bool:
        return task in self._flights

    @property
    def frames(self) -> int:
        """Offsets of all tasks in flight."""
        return sum(len(task.offsets) for task in self._flights)

    @property
    def patience_s(self) -> float:
        """A few service times: 2.5 times the smoothed mean plus four deviations (as RFC 6298 smooths them)."""
        if self._mean_s is None:
            return _FIRST_PATIENCE_S
        patience_s = _SERVICE_TIMES * (self._mean_s + 4 * self._deviation_s)
        return min(max(patience_s, _LEAST_PATIENCE_S), _MOST_PATIENCE_S)

    def enqueued(self, task: DetectRange, now: float) -> None:
        """Learn that a task was put at the end of the queue."""
        self._flights[task] = Flight(task, now, repeated=task in self._gone)
        self._gone.discard(task)
        self._of_place[task.topic, task.partition][task] = None
        self._empty_since = None

    def wait_in_order(self, waiting: Sequence[DetectRange]) -> None:
        """Learn in which order tasks wait in the queue; flights that do not wait any more were taken before these.

        A new bridge adopts one partition after the other, while the queue holds their tasks mixed.
        """
        for task in waiting:
            flight = self._flights.pop(task, None)
            if flight is not None:
                self._flights[task] = flight

    def measured(self, service_s: float) -> None:
        """Learn how long a worker took for a task, from taking it to publishing its results."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = service_s, service_s / 2
            return
        self._deviation_s += (abs(self._mean_s - service_s) - self._deviation_s) / 4
        self._mean_s += (service_s - self._mean_s) / 8

    def emptied(self, now: float, waiting: Sequence[DetectRange]) -> None:
        """Learn that the queue was emptied, and what waits in it since.

        Of the others, those that workers have are given two service times to come in.
        """
        if self._mean_s is None:
            return
        again = set(waiting)
        for task, flight in self._flights.items():
            flight.dropped = flight.alive_at is None and task not in again
        self._gone.clear()
        self._grace_s = min(max(2 * self._mean_s + 4 * self._deviation_s, _LEAST_GRACE_S), self.patience_s)
        self._in_doubt_until = now + self._grace_s

    def in_doubt(self, now: float) -> bool:
        """Whether it is still to be seen which tasks went with an emptied queue."""
        return now < self._in_doubt_until

    def gone_with_queue(self, now: float) -> list[DetectRange]:
        """Return the tasks that no worker had when their queue was emptied, and drop their flights."""
        if self.in_doubt(now):
            return []
        gone = [task for task, flight in self._flights.items() if flight.dropped]
        for task in gone:
            self._land(task)
        self._gone.update(gone)
        return gone

    def flights_of(self, topic: str, partition: int) -> list[DetectRange]:
        """Return the tasks of one partition that are in flight."""
        return list(self._of_place[topic, partition])

    def progressed(self, now: float) -> None:
        """Learn that some result of this queue came."""
        self._last_progress = now

    def settled(self, task: DetectRange, now: float, *, by_itself: bool) -> None:
        """Learn that a task has all its results.

        Args:
            task: a flight; one that is none is left alone.
            now: the time.
            by_itself: whether the task itself brought them. Then every flight enqueued before it was overtaken. A late
                answer to an earlier attempt proves nothing of the kind (Karn's rule), nor does one to a repeated task
                for as long as a worker may have the first one.
        """
        if task not in self._flights:
            return
        self._last_progress = now
        settled = self._flights[task]
        may_be_old = settled.repeated and (task.isolated or now - settled.enqueued_at < self.patience_s)
        if not by_itself or may_be_old:
            self._land(task)
            return
        for earlier, flight in self._flights.items():
            if earlier == task:
                break
            if flight.overtaken_at is None:
                flight.overtaken_at = now
        self._land(task)

    def alive(self, task: DetectRange, now: float) -> None:
        """Learn that a worker has taken the task and is still at it."""
        if task in self._flights:
            self._flights[task].alive_at = now
            self._flights[task].dropped = False

    def forget(self, topic: str, partition: int) -> None:
        """Drop the flights of a partition that belongs to another bridge now."""
        for task in self.flights_of(topic, partition):
            self._land(task)

    def give_up(self) -> list[DetectRange]:
        """Return every task in flight as lost: the workers are gone, and nobody else takes from their queue."""
        gone = list(self._flights)
        for task in gone:
            self._land(task)
        return gone

    def forgive(self, now: float) -> None:
        """Start every clock anew: the bridge itself, or Kafka, was away, so silence proves nothing."""
        self._last_progress = now
        self._empty_since = None
        for flight in self._flights.values():
            if flight.overtaken_at is not None:
                flight.overtaken_at = now
            if flight.alive_at is not None:
                flight.alive_at = now
            if flight.repeated:
                flight.enqueued_at = now  # an answer to the first one may have been held up meanwhile
        if any(flight.dropped for flight in self._flights.values()):
            self._in_doubt_until = now + self._grace_s

    def lost(self, now: float, waiting: int) -> list[DetectRange]:
        """Return the tasks that are lost, and drop their flights.

        Args:
            waiting: tasks in the queue that no worker has taken.
        """
        if waiting > 0:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = now
        gone = [flight.task for flight in self._flights.values() if self._is_lost(flight, now)]
        for task in gone:
            self._land(task)
        return gone

    def _land(self, task: DetectRange) -> None:
        del self._flights[task]
        del self._of_place[task.topic, task.partition][task]

    def _is_lost(self, flight: Flight, now: float) -> bool:
        if flight.alive_at is not None:
            return now - flight.alive_at > max(self.patience_s, _SIGNS_OF_LIFE_S)
        patience_s = self.patience_s
        if flight.overtaken_at is not None and now - flight.overtaken_at > patience_s:
            return True
        if self._empty_since is None:
            return False
        silent_since = max(flight.enqueued_at, self._last_progress, self._empty_since)
        return now - silent_since > patience_s
