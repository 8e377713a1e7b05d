"""The bridge role: the ledger and the loss detection, driven by Kafka and Celery."""

import logging
import math
import threading
import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge

from contracts.errors import UnavailableError
from contracts.offsets import SOURCE_TOPIC_HEADER
from contracts.tasks import QUEUE_AGAIN, QUEUE_DETECT, QUEUE_DETECT_GPU, QUEUE_INTERACTIVE, DetectRange
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer, Place
from messaging.reader import LogReader
from messaging.records import LogRecord
from settings import Settings
from workers.answers import service_s, what_it_settles, who_answered
from workers.bridge.ledger import PartitionLedger
from workers.bridge.logs import SourceLogIds
from workers.bridge.pools import Pool, Pools
from workers.bridge.queues import Queues
from workers.runner import ROLE_ERRORS, run_steps

log = logging.getLogger(__name__)

_POLL_MS = 20
_POLL_RECORDS = 2000
_COMMIT_EVERY_S = 1.0
_JUDGE_EVERY_S = 0.25
_LOOK_EVERY_S = 0.02
_WIDE_LOOK_EVERY_S = 0.25
_SHARE_OF_WORK = 1 / 8
"""New frames would wait behind the tasks that wait: they are looked for when this share of that work may be done."""

_ABSENCE_S = 2.0
_ENQUEUE_AT_ONCE = 64

_TASKS = Counter("crowdwatch_bridge_tasks", "Tasks enqueued", ["queue"])
_LOST = Counter("crowdwatch_bridge_tasks_lost", "Tasks found lost and planned again", ["queue"])
_LAG = Gauge("crowdwatch_bridge_lag", "Offsets from the watermark to the end of the log", ["topic", "partition"])
_WAITING = Gauge("crowdwatch_bridge_queue_length", "Tasks that wait in Redis", ["queue"])
_IN_FLIGHT = Gauge("crowdwatch_bridge_in_flight", "Offsets planned and not settled", ["topic", "partition"])


class Bridge:
    """Owns partition numbers through a consumer group; for each, the same number of `frames`, `uploads` and `Faces`.

    The group's committed offset of a source partition is its watermark; the commit's metadata is the offset in `Faces`
    from which all that is settled above it can be read again. So a new bridge needs nothing but Kafka.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._sources = (settings.topic_frames, settings.topic_uploads)
        queues = {
            settings.topic_frames: (QUEUE_DETECT_GPU, QUEUE_DETECT),
            settings.topic_uploads: (QUEUE_INTERACTIVE,),
        }
        self._pools = Pools(queues, {settings.topic_frames: QUEUE_AGAIN}, settings.batch_size)
        self._consumer = GroupConsumer(
            settings,
            f"{settings.group_prefix}-bridge",
            [*self._sources, settings.topic_faces],
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )
        self._lookout = LogReader(settings)
        """A connection of its own: the consumer's is busy for as long as the broker waits for results to come."""
        self._queues = Queues(settings, self._pools, clock)
        self._ledgers: dict[Place, PartitionLedger] = {}
        self._logs = SourceLogIds()
        self._uploads_wait = True
        self._catch_up_to: dict[int, int] = {}
        self._committed: dict[Place, tuple[int, str]] = {}
        self._new: set[int] = set()
        self._unread: list[LogRecord] = []
        self._turn = 0
        self._next_commit = self._next_judgement = float("-inf")
        self._next_look = self._next_wide_look = float("-inf")
        self._last_step = clock()
        self._healthy = {"kafka": False}

    def start(self) -> None:
        """Make the topics and join the group.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        ensure_topics(self._settings)
        self._lookout.start(topics=(*self._sources, self._settings.topic_faces))
        self._consumer.start()

    def ready(self) -> dict[str, bool]:
        """Whether Kafka and Redis answered last; `topics` is there, and False, if their partitions do not match."""
        uneven = {"topics": False} if self._consumer.problem is not None else {}
        return {**self._healthy, "redis": self._queues.healthy, **uneven}

    def close(self) -> None:
        """Commit, leave the group and disconnect."""
        try:
            if self._ledgers:
                self._commit()
        except UnavailableError as error:
            log.warning("the last watermark was not committed: %s", error)
        self._consumer.close()
        self._lookout.close()
        self._queues.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times. A server that does not answer is waited for."""
        run_steps(self._try_step, stop, count, healthy=self._healthy, server="kafka")

    def _try_step(self) -> None:
        try:
            self.step()
        except UnavailableError:
            self._last_step = -math.inf  # what was in flight is to be given time anew
            raise

    def step(self) -> None:
        """Read results, look for new frames, judge what is lost, enqueue, commit.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        now = self._clock()
        if now - self._last_step > _ABSENCE_S:
            self._pools.forgive(now)
        if not self._unread:
            until_look_ms = math.ceil(1000 * max(0.0, self._next_look - now)) if self._ledgers else _POLL_MS
            self._unread = self._consumer.poll(until_look_ms, max_records=_POLL_RECORDS)
        self._last_step = now = self._clock()
        if self._new:
            self._take_over()
            self._unread = []  # read from where the group was, not from where the watermark is
        if not self._ledgers:
            self._unread = []
            self._queues.probe()
            return
        if self._tells_of_uploads(self._unread):
            self._next_look = self._next_wide_look = now
        looks = now >= self._next_look
        trouble = self._observe_ends(now) if looks else None
        records, self._unread = self._unread, []
        self._settle(records, now)
        self._finish_catching_up()
        judges = looks and trouble is None and now >= self._next_judgement
        for queue, task in self._queues.count(now, everywhere=judges):
            self._lose(queue, [task])
        if any(pool.waiting == 0 for pool in self._pools.served(self._settings.topic_frames)):
            self._next_look = min(self._next_look, now + _LOOK_EVERY_S)
        if judges:
            self._next_judgement = now + _JUDGE_EVERY_S
            self._judge(now, caught_up=len(records) < _POLL_RECORDS)
        self._enqueue(now)
        if now >= self._next_commit:
            self._next_commit = now + _COMMIT_EVERY_S
            self._commit()
        if trouble is not None:
            raise trouble

    def _tells_of_uploads(self, records: list[LogRecord]) -> bool:
        """Whether results have come of uploads that were not seen yet: those are looked for only now and then."""
        uploads = self._settings.topic_uploads
        name = uploads.encode()
        for record in records:
            if record.header(SOURCE_TOPIC_HEADER) == name:
                ledger, settled = self._ledgers.get((uploads, record.source.partition)), what_it_settles(record)
                if ledger is not None and settled is not None and settled[1].stop > ledger.log_end:
                    return True
        return False

    def _observe_ends(self, now: float) -> UnavailableError | None:
        """Look for new frames; return why that failed: one partition without a leader must not hold up the others.

        Now and then it looks at `Faces` too: while one of its partitions has no leader, a worker waits with results.
        """
        if now >= self._next_wide_look:
            self._next_wide_look = now + _WIDE_LOOK_EVERY_S
            numbers = {number for _, number in self._ledgers}
            places = [*self._ledgers, *((self._settings.topic_faces, number) for number in sorted(numbers))]
        else:  # uploads have tasks of their own, and a partition with a backlog has enough to do
            frames = self._settings.topic_frames
            places = [place for place, of in self._ledgers.items() if place[0] == frames and not of.has_backlog]
        work_s = min(pool.work_s for pool in self._pools.served(self._settings.topic_frames))
        self._next_look = now + min(max(_LOOK_EVERY_S, _SHARE_OF_WORK * work_s), _WIDE_LOOK_EVERY_S)
        if not places:
            return None
        try:
            ends = self._lookout.ends(places)
        except UnavailableError as error:
            return error
        for place, ledger in self._ledgers.items():
            if place in ends:
                ledger.observe_end(ends[place], now)
        return None

    def _on_assigned(self, places: set[Place]) -> None:
        self._consumer.pause(place for place in places if place[0] in self._sources)
        self._new |= {number for _, number in places}

    def _on_revoked(self, places: set[Place]) -> None:
        for place in places:
            self._new.discard(place[1])
            self._catch_up_to.pop(place[1], None)
            if self._ledgers.pop(place, None) is not None:
                for pool in self._pools.of(place[0]):
                    pool.losses.forget(*place)
                self._committed.pop(place, None)
                for gauge in (_LAG, _IN_FLIGHT):
                    gauge.remove(place[0], place[1])

    def _take_over(self) -> None:
        """Begin with the new partitions where the group stood, and read again what is settled above the watermarks."""
        self._queues.begin_watch()
        numbers = sorted(self._new)
        faces = [(self._settings.topic_faces, number) for number in numbers]
        sources = [(topic, number) for number in numbers for topic in self._sources]
        bounds = self._consumer.bounds([*faces, *sources])
        self._logs.set(self._lookout.current_log_ids(self._sources))
        committed = {place: self._logs.committed(place[0], self._consumer.committed(place)) for place in sources}
        now = self._clock()
        for place in sources:
            first, end = bounds[place]
            known, _ = committed[place]
            watermark = first if known is None else known
            if watermark > end:
                log.warning("%s/%d ends at %d, before the watermark %d: starting anew", *place, end, watermark)
                watermark = first
            self._ledgers[place] = self._make_ledger(place, watermark)
            self._ledgers[place].observe_end(end, now)
        for place in faces:
            first, end = bounds[place]
            said = [committed[topic, place[1]][1] for topic in self._sources]
            start = min(max(min(first if offset is None else offset for offset in said), first), end)
            self._consumer.seek(place, start)
            self._catch_up_to[place[1]] = end
        self._new.clear()
        log.info("owning partitions %s", ", ".join(map(str, sorted({number for _, number in self._ledgers}))))

    def _make_ledger(self, place: Place, watermark: int) -> PartitionLedger:
        adopted = place[0] == self._settings.topic_uploads
        return PartitionLedger(
            *place,
            watermark,
            batch_size=self._settings.batch_size,
            window=self._settings.window,
            adopt_after_s=self._settings.adopt_after_ms / 1000 if adopted else 0.0,
            first_attempt=2 if adopted else 1,
        )

    def _settle(self, records: list[LogRecord], now: float) -> None:
        """Enter the results into the ledgers, and see which tasks they complete."""
        touched: set[Place] = set()
        answered: set[DetectRange] = set()
        for record in records:
            try:
                self._enter(record, now, touched, answered)
            except Exception:  # whatever is wrong with a record: the others settle offsets all the same
                log.exception("cannot enter %s", record.source)
                ROLE_ERRORS.labels("bridge").inc()
        for place in touched:
            for pool in self._pools.of(place[0]):
                for task in pool.losses.flights_of(*place):
                    if self._ledgers[place].is_settled(task):
                        pool.losses.settled(task, now, by_itself=task in answered)

    def _enter(self, record: LogRecord, now: float, touched: set[Place], answered: set[DetectRange]) -> None:
        """Enter one record; note the partition that it concerns, and the task that it answers for."""
        settled = what_it_settles(record)
        if settled is None:
            self._note_sign_of_life(record, now)
            return
        place, offsets = (settled[0], record.source.partition), settled[1]
        ledger = self._ledgers.get(place)
        if ledger is None or self._logs.is_of_another(record, place[0]):
            return
        ledger.settle(offsets, record.source.offset)
        touched.add(place)
        task = who_answered(record, *place)
        pool = self._pools.holding(task) if task is not None else None
        for one in self._pools.of(place[0]) if pool is None else (pool,):
            one.losses.progressed(now)
        if task is None or pool is None or task in answered:
            return
        answered.add(task)
        took_s = service_s(record)
        if took_s is not None and not task.isolated:
            pool.losses.measured(took_s)
            pool.pace.measured(took_s, len(task.offsets))
            again = self._pools.again(place[0])
            if again is not None and again is not pool:
                again.losses.measured(took_s)  # it has the same workers

    def _note_sign_of_life(self, record: LogRecord, now: float) -> None:
        topic = (record.header(SOURCE_TOPIC_HEADER) or b"").decode("utf-8", "replace")
        task = who_answered(record, topic, record.source.partition) if topic in self._sources else None
        pool = self._pools.holding(task) if task is not None else None
        if task is not None and pool is not None:
            pool.losses.alive(task, now)

    def _finish_catching_up(self) -> None:
        """Find the partitions whose results have been read up to where they ended at the take-over."""
        for number, end in list(self._catch_up_to.items()):
            if self._consumer.position((self._settings.topic_faces, number)) >= end:
                del self._catch_up_to[number]
                self._adopt(number)

    def _adopt(self, number: int) -> None:
        """Count what the last bridge of this partition has enqueued as in flight, so that it is not detected twice."""
        for place, ledger in self._ledgers.items():
            if place[1] != number:
                continue
            pools, waiting = self._pools.of(place[0]), dict[DetectRange, Pool]()
            try:
                queued = [(pool, self._queues.waiting(pool.queue)) for pool in pools]
            except UnavailableError as error:
                log.warning("%s", error)
                return
            for pool, tasks in queued:
                waiting |= {task: pool for task in tasks if (task.topic, task.partition) == place}
            now = self._clock()
            for task in ledger.adopt(list(waiting)):
                waiting.get(task, self._pools.usual(place[0])).losses.enqueued(task, now)
            for pool, tasks in queued:
                pool.losses.wait_in_order(tasks)

    def _judge(self, now: float, caught_up: bool) -> None:
        """Find lost tasks; not while there are results to be read, and not while Redis does not answer."""
        for pool in self._pools.all:
            if pool.waiting is None:
                continue
            _WAITING.labels(pool.queue).set(pool.waiting)
            if pool.queue == QUEUE_INTERACTIVE:
                self._uploads_wait = pool.busy
            if caught_up:
                self._lose(pool.queue, pool.losses.gone_with_queue(now), were_tried=False)
                self._lose(pool.queue, pool.losses.lost(now, pool.waiting))

    def _lose(self, queue: str, tasks: list[DetectRange], *, were_tried: bool = True) -> None:
        for task in tasks:
            _LOST.labels(queue).inc()
            log.warning("lost: %s, planning it again", task, extra={"task": str(task)})
            self._ledgers[task.topic, task.partition].lose(task, was_tried=were_tried)

    def _enqueue(self, now: float) -> None:
        """Fill the windows, a task for each partition in turn."""
        if self._queues.are_down(now):
            return
        places = [place for place in sorted(self._ledgers) if place[1] not in self._catch_up_to]
        frames = self._settings.topic_frames
        unplanned = sum(self._ledgers[place].unplanned for place in places if place[0] == frames)
        idle, sent = 0, 0
        while places and idle < len(places) and sent < _ENQUEUE_AT_ONCE:
            self._turn = (self._turn + 1) % len(places)
            ledger = self._ledgers[places[self._turn]]
            is_upload = ledger.topic == self._settings.topic_uploads
            pool = self._pools.choose(ledger.topic)
            if pool.losses.in_doubt(now) and pool.busy:
                idle += 1  # what was lost goes before what is new
                continue
            before = ledger.unplanned
            task = ledger.plan(
                now,
                pool.pace.frames,
                elsewhere=0 if is_upload else unplanned - before,
                own_tasks_wait=is_upload and self._uploads_wait,
                workers_busy=pool.busy,
            )
            if task is None:
                idle += 1
                continue
            if task.attempt > 1:
                pool = self._pools.again(ledger.topic) or pool
            if not self._queues.enqueue(task, pool, now):
                ledger.withdraw(task)
                break
            _TASKS.labels(pool.queue).inc()
            unplanned += 0 if is_upload else ledger.unplanned - before
            idle, sent = 0, sent + 1
        for place, ledger in self._ledgers.items():
            _LAG.labels(*place).set(ledger.lag)
            _IN_FLIGHT.labels(*place).set(ledger.in_flight)

    def _commit(self) -> None:
        """Commit each watermark that moved, with the place in `Faces` to read from."""
        moved = {}
        for place, ledger in self._ledgers.items():
            if place[1] in self._catch_up_to:
                continue
            position = self._consumer.position((self._settings.topic_faces, place[1]))
            entry = (ledger.watermark, self._logs.metadata(place[0], ledger.resume_from(position)))
            if self._committed.get(place) != entry:
                moved[place] = entry
        if moved and self._consumer.commit(moved):
            self._committed.update(moved)
