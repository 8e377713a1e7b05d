"""The bridge's bookkeeping of one source partition: what is settled, what is in flight, what is to be planned next.

Pure: no I/O, and the clock is passed in (seconds that only rise).
"""

from collections import deque
from collections.abc import Sequence

from contracts.offsets import OffsetRange
from contracts.tasks import ISOLATED_FROM_ATTEMPT, DetectRange
from workers.intervals import IntervalSet

_PARTS_OF_A_BACKLOG = 4
"""What waits for idle workers, of all partitions together, is cut into so many ranges at least: they share it."""


class PartitionLedger:
    """Keeps one partition of `frames` or `uploads`.

    The watermark is the lowest offset that is not settled: everything below has its result in `Faces`. Offsets from the
    watermark up to `planned_to` are settled, in flight, or waiting to be planned again.

    Args:
        topic: the source topic.
        partition: its number.
        watermark: where to begin: what the group has committed, or the start of the log.
        batch_size: offsets of one task at most.
        window: unsettled offsets that may be planned at most.
        adopt_after_s: an offset is planned only so long after it was first seen; until then its own task may settle it.
        first_attempt: the attempt with which new offsets are planned; 2 where a task of their own has gone before.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        watermark: int,
        *,
        batch_size: int,
        window: int,
        adopt_after_s: float = 0.0,
        first_attempt: int = 1,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.watermark = watermark
        self.planned_to = watermark
        self.log_end = watermark
        self._batch_size = batch_size
        self._window = window
        self._adopt_after_s = adopt_after_s
        self._first_attempt = first_attempt
        self._settled = IntervalSet()
        self._again: deque[DetectRange] = deque()
        self._seen: deque[tuple[int, float]] = deque()
        self._plannable_to = watermark

    @property
    def in_flight(self) -> int:
        """Unsettled offsets below `planned_to`."""
        return sum(len(hole) for hole in self._unsettled(self.watermark, self.planned_to))

    @property
    def lag(self) -> int:
        """Offsets of the log from the watermark to its end."""
        return max(0, self.log_end - self.watermark)

    @property
    def unplanned(self) -> int:
        """Offsets of the log that are yet to be planned."""
        return self.log_end - self.planned_to

    @property
    def has_backlog(self) -> bool:
        """Whether a full task can be planned without a look at the end of the log."""
        return self.unplanned >= self._batch_size

    def observe_end(self, log_end: int, now: float) -> None:
        """Learn that the log now ends before `log_end`."""
        if log_end > self.log_end:
            self.log_end = log_end
            self._seen.append((log_end, now))

    def settle(self, offsets: OffsetRange, mark: int) -> None:
        """Learn that `offsets` have their result; `mark` is the place in `Faces` where that was read.

        What lies behind the end of the log as far as it is known is left out: nothing can have settled it.
        """
        start, stop = max(offsets.start, self.watermark), min(offsets.stop, self.log_end)
        if start >= stop:
            return
        self._settled.add(start, stop, mark)
        until = self._settled.pop_first_if_at(self.watermark)
        if until is not None:
            self.watermark = until
            self.planned_to = max(self.planned_to, until)

    def is_settled(self, task: DetectRange) -> bool:
        """Whether every offset of the task has its result."""
        return not self._unsettled(task.start, task.stop)

    def plan(
        self,
        now: float,
        most: int | None = None,
        *,
        elsewhere: int = 0,
        own_tasks_wait: bool = False,
        workers_busy: bool = False,
    ) -> DetectRange | None:
        """Return the next task to enqueue, None when there is none or the window has no room for it.

        What was lost comes first, then what is new. The task counts as in flight from now on. A range is not cut to fit
        into the room that is left: results come one by one, and with each a range of one would be planned, which costs
        a worker as much as a full one. TCP calls that the silly window (RFC 1122, 4.2.3.4).

        Args:
            now: the time.
            most: frames in the task at most, where that is less than `batch_size`.
            elsewhere: offsets of other partitions that are yet to be planned for the same workers.
            own_tasks_wait: whether the tasks that others have enqueued for these offsets may still wait in the queue.
                Then only what a later offset has overtaken is adopted.
            workers_busy: whether tasks wait that no worker has taken. Then a range that is not full would only wait
                too, and cost as much as a full one: while something of this partition is in flight, it gathers more
                frames instead, as small segments do in Nagle's algorithm (RFC 896), and then is not cut.
        """
        again = self._next_again()
        if again is not None:
            return again
        while self._seen and self._seen[0][1] + self._adopt_after_s <= now:
            self._plannable_to = self._seen.popleft()[0]
        in_flight = self.in_flight
        room = self._window - in_flight
        until = self._plannable_to
        if own_tasks_wait:
            until = min(until, self._settled.last_stop() or self.watermark)
        holes = self._settled.missing(max(self.planned_to, self.watermark), until)
        if not holes:
            return None
        backlog = sum(len(hole) for hole in holes)
        full = min(most or self._batch_size, self._batch_size, self._window)
        share = full if workers_busy else max(1, -(-(backlog + elsewhere) // _PARTS_OF_A_BACKLOG))
        size = min(full, len(holes[0]), share)
        if size > room or (workers_busy and in_flight > 0 and backlog < full):
            return None
        start = holes[0].start
        self.planned_to = start + size
        return DetectRange(self.topic, self.partition, start, start + size, self._first_attempt)

    def withdraw(self, task: DetectRange) -> None:
        """Take back a task that `plan` gave but that could not be enqueued: it comes again, with the same attempt."""
        self._again.appendleft(task)

    def adopt(self, waiting: Sequence[DetectRange]) -> list[DetectRange]:
        """Take over what another bridge has planned; return it as tasks in flight, in the order of their enqueueing.

        Args:
            waiting: this partition's tasks in the queue. What lies below the highest of their offsets, or below a
                settled one, and is neither, is taken to be in a worker's hands.
        """
        queued = [task for task in waiting if self._unsettled(task.start, task.stop)]
        high = max([self._settled.last_stop() or 0, *(task.stop for task in queued)])
        high = min(high, self.log_end)
        covered = IntervalSet()
        for task in queued:
            covered.add(task.start, task.stop, 0)
        in_hands = [
            DetectRange(
                self.topic, self.partition, start, min(start + self._batch_size, free.stop), self._first_attempt
            )
            for hole in self._unsettled(self.watermark, high)
            for free in covered.missing(hole.start, hole.stop)
            for start in range(free.start, free.stop, self._batch_size)
        ]
        self.planned_to = max(self.planned_to, high)
        return in_hands + queued

    def lose(self, task: DetectRange, *, was_tried: bool = True) -> None:
        """Learn that a task is lost: what is unsettled of it is planned again, the second time in single frames.

        Args:
            task: one that was in flight.
            was_tried: whether a worker may have had it; if not, this attempt does not count.
        """
        attempt = task.attempt + was_tried
        step = 1 if attempt >= ISOLATED_FROM_ATTEMPT else self._batch_size
        for hole in self._unsettled(task.start, task.stop):
            for start in range(hole.start, hole.stop, step):
                stop = min(start + step, hole.stop)
                self._again.append(DetectRange(self.topic, self.partition, start, stop, attempt))

    def resume_from(self, faces_position: int) -> int:
        """Return the place in `Faces` from which a new bridge learns all that is settled above the watermark.

        Args:
            faces_position: the place that is read next.
        """
        mark = self._settled.smallest_mark()
        return faces_position if mark is None else mark

    def _unsettled(self, start: int, stop: int) -> list[OffsetRange]:
        return self._settled.missing(max(start, self.watermark), stop)

    def _next_again(self) -> DetectRange | None:
        """Take the first lost task of which something is still unsettled, cut to that."""
        while self._again:
            task = self._again.popleft()
            holes = self._unsettled(task.start, task.stop)
            for hole in reversed(holes[1:]):
                self._again.appendleft(DetectRange(self.topic, self.partition, hole.start, hole.stop, task.attempt))
            if holes:
                return DetectRange(self.topic, self.partition, holes[0].start, holes[0].stop, task.attempt)
        return None
