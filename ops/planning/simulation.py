"""A discrete-event simulation of the flow: cameras, log, bridges, queue, worker processes, sinks, and faults.

The bridges keep the real ledger, pace and loss detection (workers/bridge); the clock, Kafka, Redis and the work are
made up. A heap of events is all the machinery there is: it needs no processes that wait for each other. The same seed
gives the same run.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from contracts.tasks import DetectRange
from ops.planning.arrivals import Arrivals, Surge
from ops.planning.plan import Plan
from workers.bridge.ledger import PartitionLedger
from workers.bridge.loss import LossDetector
from workers.bridge.pace import Pace
from workers.intervals import IntervalSet

_TOPIC = "frames"
_PUBLISH_S = 0.005
_BRIDGE_STEP_S = 0.03
_JUDGE_EVERY_S = 0.25
_ABSENCE_S = 2.0
_ENQUEUE_AT_ONCE = 64
_GATHER_S = 0.01
_SINK_RECORDS = 1000
_TASK_S = 0.003
"""What a task takes a worker process whatever its size. Estimated."""

_ISOLATED_S = 1.0
_SPREAD = 0.15
_SAMPLE_S = 0.5


@dataclass(frozen=True)
class Outage:
    """Something is away from `start` to `stop`, in seconds."""

    start: float
    stop: float

    def holds(self, at: float) -> bool:
        """Whether it is away at that time."""
        return self.start <= at < self.stop


@dataclass(frozen=True)
class Scenario:
    """A system, a load, and what goes wrong.

    Attributes:
        cameras, fps: the load; each camera's frames go to the partition that its id hashes to.
        partitions, bridges, sinks, workers: the system; workers are processes.
        detect_ms, worker_ms, bridge_ms, sink_ms: what a frame takes each of them.
        window, batch_size: as the settings of these names.
        seconds: how long cameras send; the run goes on until all is stored, or for twice as long.
        workers_lost: worker processes are killed at its start with their tasks, and are back at its end.
        lost_share: what share of them.
        broker_away: Kafka takes and gives nothing; cameras keep their frames for it.
        redis_wiped: when Redis loses its queue, in seconds; its mark, by which bridges see that sooner, is left out.
        surges: more frames for a while.
        seed: of what is random.
    """

    cameras: int
    fps: float
    partitions: int
    bridges: int
    sinks: int
    workers: int
    detect_ms: float
    worker_ms: float
    bridge_ms: float
    sink_ms: float
    window: int = 512
    batch_size: int = 64
    seconds: float = 60.0
    workers_lost: Outage | None = None
    lost_share: float = 1.0
    broker_away: Outage | None = None
    redis_wiped: float | None = None
    surges: tuple[Surge, ...] = ()
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        sent, stored: frames; stored ones are counted once.
        repeated: frames that were detected more than once.
        lost_tasks: that the bridges found lost, rightly or not.
        at_s, lag_frames, queued_tasks: samples over time; the lag is what is sent and not stored.
        hottest_lag_frames: that of the partition with the most, over time.
        age_median_s, age_p99_s: from a frame's capture to its document.
        caught_up_s: when the last sent frame was stored, None when it never was.
        busy: the busy share of bridges, workers and sinks while cameras sent.
    """

    sent: int
    stored: int
    repeated: int
    lost_tasks: int
    at_s: list[float]
    lag_frames: list[int]
    queued_tasks: list[int]
    hottest_lag_frames: list[int]
    age_median_s: float
    age_p99_s: float
    caught_up_s: float | None
    busy: dict[str, float]


def scenario_of(plan: Plan, detect_ms: float, costs_ms: tuple[float, float, float], seconds: float = 60.0) -> Scenario:
    """Return the system that a plan asks for; `costs_ms` are those of worker, bridge and sink."""
    worker_ms, bridge_ms, sink_ms = costs_ms
    return Scenario(
        plan.load.cameras,
        plan.load.fps,
        plan.partitions,
        plan.bridges,
        plan.sinks,
        plan.worker_processes,
        detect_ms,
        worker_ms,
        bridge_ms,
        sink_ms,
        seconds=seconds,
    )


def simulate(scenario: Scenario, on_time: Callable[[float], None] = lambda _: None) -> Outcome:
    """Run a scenario and return what came of it; `on_time` is told now and then how many seconds have gone by in it."""
    return _Flow(scenario, on_time).run()


@dataclass
class _Bridge:
    """A bridge process: its partitions' ledgers, and the answers that it has not read."""

    ledgers: dict[int, PartitionLedger]
    detector: LossDetector
    pace: Pace
    inbox: list[tuple[DetectRange, float]] = field(default_factory=list)
    lost_some: bool = False
    turn: int = 0
    last_step: float = 0.0
    next_judgement: float = 0.0
    busy_s: float = 0.0


@dataclass
class _Sink:
    """A sink process and the results that it has not read."""

    inbox: deque[DetectRange] = field(default_factory=deque)
    working: bool = False
    busy_s: float = 0.0


class _Flow:
    """The state of a run, and what happens at each event."""

    def __init__(self, scenario: Scenario, on_time: Callable[[float], None]) -> None:
        self._scenario = scenario
        self._on_time = on_time
        self._random = random.Random(scenario.seed)  # noqa: S311
        self._arrivals = Arrivals(scenario.surges)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._now = 0.0
        self._rates = self._hash_cameras()
        self._phases = [self._random.random() for _ in self._rates]
        self._bridges = [self._make_bridge(number) for number in range(scenario.bridges)]
        self._sinks = [_Sink() for _ in range(scenario.sinks)]
        self._queue: deque[DetectRange] = deque()
        self._idle = list(range(scenario.workers))
        self._lives = [0] * scenario.workers
        self._worker_busy_s = 0.0
        self._stored = [IntervalSet() for _ in self._rates]
        self._stored_counts = [0] * scenario.partitions
        self._ages: list[tuple[float, int]] = []
        self._repeated = self._lost_tasks = 0
        self._at_s: list[float] = []
        self._lag: list[int] = []
        self._queued: list[int] = []
        self._hottest: list[int] = []
        self._caught_up_s: float | None = None
        self._over = False

    def run(self) -> Outcome:
        """Handle events until all is stored, or time is up."""
        scenario = self._scenario
        for number in range(scenario.bridges):
            self._after(_BRIDGE_STEP_S * self._random.random(), partial(self._bridge_step, number))
        self._after(0.0, self._sample)
        if scenario.workers_lost is not None:
            self._after(scenario.workers_lost.start, self._lose_workers)
        if scenario.redis_wiped is not None:
            self._after(scenario.redis_wiped, self._queue.clear)
        while self._events and not self._over:
            self._now, _, handle = heapq.heappop(self._events)
            handle()
        return self._outcome()

    def _hash_cameras(self) -> list[float]:
        """Return the frames a second of each partition: cameras fall on partitions as their hashed ids do."""
        counts = [0] * self._scenario.partitions
        for _ in range(self._scenario.cameras):
            counts[self._random.randrange(len(counts))] += 1
        return [count * self._scenario.fps for count in counts]

    def _make_bridge(self, number: int) -> _Bridge:
        scenario = self._scenario
        ledgers = {
            partition: PartitionLedger(_TOPIC, partition, 0, batch_size=scenario.batch_size, window=scenario.window)
            for partition in range(number, scenario.partitions, scenario.bridges)
        }
        return _Bridge(ledgers, LossDetector(), Pace(scenario.batch_size))

    def _after(self, seconds: float, handle: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._order), handle))

    def _log_end(self, partition: int) -> int:
        at = min(self._now, self._scenario.seconds)
        return math.floor(self._rates[partition] * self._arrivals.count(at) + self._phases[partition])

    def _captured(self, partition: int, offset: int) -> float:
        return self._arrivals.when((offset + 1 - self._phases[partition]) / self._rates[partition])

    def _broker_back_in(self) -> float:
        """Seconds until the brokers answer; 0 while they do."""
        away = self._scenario.broker_away
        return away.stop - self._now if away is not None and away.holds(self._now) else 0.0

    # Bridges

    def _bridge_step(self, number: int) -> None:
        """One step of the bridge role: settle, observe, judge, enqueue (workers/bridge/role.py)."""
        bridge, now = self._bridges[number], self._now
        absent_s = self._broker_back_in()
        if absent_s:
            self._after(absent_s, lambda: self._bridge_step(number))
            return
        if now - bridge.last_step > _ABSENCE_S:
            bridge.detector.forgive(now)
        bridge.last_step = now
        answers, bridge.inbox = bridge.inbox, []
        for partition, ledger in bridge.ledgers.items():
            ledger.observe_end(self._log_end(partition), now)
        frames = self._settle(bridge, answers)
        if now >= bridge.next_judgement:
            bridge.next_judgement = now + _JUDGE_EVERY_S
            for task in bridge.detector.lost(now, len(self._queue)):
                self._lost_tasks += 1
                bridge.lost_some = True
                bridge.ledgers[task.partition].lose(task)
        self._enqueue(bridge)
        self._hand_out()
        work_s = frames * self._scenario.bridge_ms / 1000
        if now <= self._scenario.seconds:
            bridge.busy_s += work_s
        self._after(max(_BRIDGE_STEP_S, work_s), lambda: self._bridge_step(number))

    def _settle(self, bridge: _Bridge, answers: list[tuple[DetectRange, float]]) -> int:
        frames, answered = 0, dict[DetectRange, None]()
        for task, service_s in answers:
            bridge.ledgers[task.partition].settle(task.offsets, 0)
            bridge.detector.progressed(self._now)
            frames += len(task.offsets)
            answered[task] = None
            if not task.isolated:
                bridge.detector.measured(service_s)
                bridge.pace.measured(service_s, len(task.offsets))
        for task in self._maybe_settled(bridge, answered) if bridge.lost_some else answered:
            bridge.detector.settled(task, self._now, by_itself=task in answered)
        return frames

    def _maybe_settled(self, bridge: _Bridge, answered: dict[DetectRange, None]) -> list[DetectRange]:
        """Return the flights that are settled: a late answer to a task that was lost settles its repeats too."""
        return [
            task
            for partition in dict.fromkeys(task.partition for task in answered)
            for task in bridge.detector.flights_of(_TOPIC, partition)
            if bridge.ledgers[partition].is_settled(task)
        ]

    def _enqueue(self, bridge: _Bridge) -> None:
        places = list(bridge.ledgers)
        unplanned = sum(ledger.unplanned for ledger in bridge.ledgers.values())
        idle = sent = 0
        while places and idle < len(places) and sent < _ENQUEUE_AT_ONCE:
            bridge.turn = (bridge.turn + 1) % len(places)
            ledger = bridge.ledgers[places[bridge.turn]]
            before = ledger.unplanned
            task = ledger.plan(
                self._now, bridge.pace.frames, elsewhere=unplanned - before, workers_busy=bool(self._queue)
            )
            if task is None:
                idle += 1
                continue
            unplanned += ledger.unplanned - before
            self._queue.append(task)
            bridge.detector.enqueued(task, self._now)
            idle, sent = 0, sent + 1

    # Worker processes

    def _hand_out(self) -> None:
        while self._queue and self._idle:
            self._begin(self._idle.pop(), self._queue.popleft())

    def _begin(self, process: int, task: DetectRange) -> None:
        scenario = self._scenario
        frame_s = (scenario.detect_ms + scenario.worker_ms) / 1000
        service_s = _TASK_S + len(task.offsets) * frame_s * self._random.lognormvariate(0, _SPREAD)
        if task.isolated:
            service_s += _ISOLATED_S
        if self._now <= scenario.seconds:
            self._worker_busy_s += service_s
        life = self._lives[process]
        self._after(service_s + self._broker_back_in(), lambda: self._finish(process, life, task, service_s))

    def _finish(self, process: int, life: int, task: DetectRange, service_s: float) -> None:
        """Publish what a worker found, and let it take the next task; nothing, when it was killed meanwhile."""
        if life != self._lives[process]:
            return
        absent_s = self._broker_back_in()
        if absent_s:
            self._after(absent_s, lambda: self._finish(process, life, task, service_s))
            return
        self._after(_PUBLISH_S, lambda: self._publish(task, service_s))
        self._idle.append(process)
        self._hand_out()

    def _publish(self, task: DetectRange, service_s: float) -> None:
        self._bridges[task.partition % len(self._bridges)].inbox.append((task, service_s))
        number = task.partition % len(self._sinks)
        self._sinks[number].inbox.append(task)
        self._wake_sink(number)

    def _lose_workers(self) -> None:
        outage = self._scenario.workers_lost
        assert outage is not None
        killed = range(round(self._scenario.workers * self._scenario.lost_share))
        for process in killed:
            self._lives[process] += 1
        self._idle = [process for process in self._idle if process not in killed]
        self._after(outage.stop - outage.start, lambda: self._return_workers(killed))

    def _return_workers(self, processes: range) -> None:
        self._idle.extend(processes)
        self._hand_out()

    # Sinks

    def _wake_sink(self, number: int) -> None:
        sink = self._sinks[number]
        if sink.working or not sink.inbox:
            return
        sink.working = True
        self._after(_GATHER_S + self._broker_back_in(), lambda: self._write(number))

    def _write(self, number: int) -> None:
        sink, batch, frames = self._sinks[number], list[DetectRange](), 0
        while sink.inbox and frames < _SINK_RECORDS:
            batch.append(sink.inbox.popleft())
            frames += len(batch[-1].offsets)
        work_s = frames * self._scenario.sink_ms / 1000
        if self._now <= self._scenario.seconds:
            sink.busy_s += work_s
        self._after(work_s, lambda: self._written(number, batch))

    def _written(self, number: int, batch: list[DetectRange]) -> None:
        for task in batch:
            stored = self._stored[task.partition]
            new = stored.missing(task.start, task.stop)
            for hole in new:
                stored.add(hole.start, hole.stop, 0)
                middle = (hole.start + hole.stop - 1) // 2
                self._ages.append((self._now - self._captured(task.partition, middle), len(hole)))
            count = sum(map(len, new))
            self._stored_counts[task.partition] += count
            self._repeated += len(task.offsets) - count
        self._sinks[number].working = False
        self._wake_sink(number)

    # What is told

    def _sample(self) -> None:
        self._on_time(self._now)
        lags = [self._log_end(number) - stored for number, stored in enumerate(self._stored_counts)]
        self._at_s.append(self._now)
        self._lag.append(sum(lags))
        self._hottest.append(max(lags))
        self._queued.append(len(self._queue))
        if self._now >= self._scenario.seconds and not self._lag[-1]:
            self._caught_up_s, self._over = self._now, True
        elif self._now >= 2 * self._scenario.seconds:
            self._over = True
        self._after(_SAMPLE_S, self._sample)

    def _outcome(self) -> Outcome:
        seconds = self._scenario.seconds
        median_s, p99_s = _weighted(self._ages, (0.5, 0.99))
        stored = sum(self._stored_counts)
        return Outcome(
            sent=stored + self._lag[-1],
            stored=stored,
            repeated=self._repeated,
            lost_tasks=self._lost_tasks,
            at_s=self._at_s,
            lag_frames=self._lag,
            queued_tasks=self._queued,
            hottest_lag_frames=self._hottest,
            age_median_s=median_s,
            age_p99_s=p99_s,
            caught_up_s=self._caught_up_s,
            busy={
                "bridge": max(bridge.busy_s for bridge in self._bridges) / seconds,
                "workers": self._worker_busy_s / seconds / self._scenario.workers,
                "sink": max(sink.busy_s for sink in self._sinks) / seconds,
            },
        )


def _weighted(values: list[tuple[float, int]], shares: tuple[float, ...]) -> list[float]:
    """Return quantiles of values that each stand for so many."""
    if not values:
        return [math.nan] * len(shares)
    ordered = sorted(values)
    heights = np.cumsum([count for _, count in ordered])
    return [ordered[int(np.searchsorted(heights, share * heights[-1]))][0] for share in shares]
