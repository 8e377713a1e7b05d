"""The analytics role: follows `Faces` by a consumer group, and has the states of its cameras kept."""

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable

from prometheus_client import Counter, Gauge

from contracts.cameras import Camera
from contracts.errors import ContractError, UnavailableError
from contracts.faces import FacesRecord
from contracts.offsets import OffsetRange
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer, Place
from messaging.producer import Producer
from messaging.reader import LogReader
from messaging.records import LogRecord
from messaging.refusals import Refusals, refusal_counter
from settings import Settings
from storage.cameras import Cameras, CamerasFollower
from storage.checkpoints import Checkpoints
from storage.client import connect
from storage.venues import Venues
from workers.analytics.delivery import Delivery
from workers.analytics.keeper import Keeper
from workers.analytics.ordering import Arrival, PartitionOrder, Ready, WorkingTime
from workers.analytics.snapshots import SnapshotTaker
from workers.analytics.venues import VenueJudge
from workers.answers import what_it_settles
from workers.runner import ROLE_ERRORS, Backoff, run_steps
from workers.steady_clock import SteadyClock

log = logging.getLogger(__name__)

_POLL_MS = 250
_POLL_RECORDS = 2000
_LOOK_EVERY_S = 1.0
_COMMIT_EVERY_S = 5.0
_ASK_AGAIN_S = 5.0
_ASK_ID_AGAIN_S = 1.0
_MOST_HELD = 10_000
"""Results of one source partition; of ten faces they are about 40 MB."""

_VENUE_PARTITION = 0
"""Who owns this partition judges the venues."""

_ANALYSED = Counter("crowdwatch_analytics_results", "Results analysed")
_REFUSED = refusal_counter("analytics", "Records in Faces that are no result; the sink copies them to frames.dead")
_CAMERAS = Gauge("crowdwatch_analytics_cameras", "Cameras whose state is held")
_HELD = Gauge("crowdwatch_analytics_held", "Results that wait for those of earlier frames")
_PASSED = Counter("crowdwatch_analytics_passed", "Frames whose results were not waited for any longer")
_LATE = Counter("crowdwatch_analytics_late", "Results left out: later ones came before, or their log is no more")


class Analytics:
    """Owns partitions of `Faces`, and with each the cameras whose results are there.

    Results of our own source topics are analysed in the order of their frames in the log, those of other detectors as
    they come. The group's commit is the offset from which everything can be read that no checkpoint holds; its metadata
    is up to where the source topics have been analysed.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        self._settings = settings
        self._clock = clock or SteadyClock()
        self._consumer = GroupConsumer(
            settings,
            f"{settings.group_prefix}-analytics",
            [settings.topic_faces],
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )
        self._producer = Producer(settings, linger_ms=5)
        self._client = connect(settings)
        self._checkpoints = Checkpoints(self._client, settings, uuid.uuid4().hex)
        self._delivery = Delivery(self._client, self._producer, settings)
        self._keeper = Keeper(self._checkpoints, self._delivery, settings)
        self._judge = VenueJudge(Venues(self._client, settings), self._checkpoints, self._delivery, settings)
        self._follower = CamerasFollower(Cameras(self._client, settings))
        self._snapshots = SnapshotTaker(self._client, settings)
        self._sources = (settings.topic_frames, settings.topic_uploads)
        self._lookout = LogReader(settings)
        """A connection of its own: the consumer's is busy for as long as the broker waits for results to come."""
        self._source_ends: dict[Place, int] = {}
        self._next_ends_s = float("-inf")
        self._log_ids: dict[str, str | None] = {}
        self._next_id_s: dict[str, float] = {}
        self._orders: dict[int, PartitionOrder] = {}
        self._working = WorkingTime()
        self._cameras: dict[str, Camera] = {}
        self._new: set[int] = set()
        self._unread: list[LogRecord] = []
        self._refusals = Refusals(_REFUSED, "result")
        self._positions: dict[int, int] = {}
        self._listening_since_s = 0.0
        self._next_look_s = self._next_commit_s = float("-inf")
        self._healthy = {"kafka": False, "mongodb": False}

    def start(self) -> None:
        """Make topics and indexes, read the cameras' settings, and join the group.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        self._checkpoints.ensure_indexes()
        self._delivery.ensure_indexes()
        self._follow_cameras()
        ensure_topics(self._settings)
        self._producer.start()
        self._lookout.start(topics=self._sources)
        self._consumer.start()
        self._snapshots.start()
        self._healthy = {"kafka": True, "mongodb": True}

    def ready(self) -> dict[str, bool]:
        """Whether Kafka and MongoDB answered last."""
        return dict(self._healthy)

    def close(self) -> None:
        """Write the last checkpoints, leave the group and disconnect."""
        try:
            self._keeper.save(self._clock(), everything=True)
            self._commit()
        except UnavailableError as error:
            log.warning("the last results will be analysed again: %s", error)
        self._snapshots.close()
        self._consumer.close()
        self._lookout.close()
        self._producer.close()
        self._client.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times. A server that does not answer is waited for."""
        run_steps(lambda: self._step(stop), stop, count, healthy=self._healthy, server="kafka")

    def _step(self, stop: threading.Event) -> None:
        caught_up = self._analyse_next()
        self._look(caught_up)
        self._insist(stop, lambda: self._save(caught_up))

    def _analyse_next(self) -> bool:
        """Analyse what comes next; return whether that is all there is by now."""
        if not self._unread:
            self._unread = self._consumer.poll(_POLL_MS, max_records=_POLL_RECORDS)
        if self._new:
            new = set(self._new)
            self._take_over()
            self._unread = [record for record in self._unread if record.source.partition not in new]
        records, self._unread = self._unread, []
        self._analyse(records)
        return len(records) < _POLL_RECORDS

    def _on_assigned(self, places: set[Place]) -> None:
        self._new |= {number for _, number in places}

    def _on_revoked(self, places: set[Place]) -> None:
        try:
            self._keeper.save(self._clock(), everything=True)
        except UnavailableError as error:
            log.warning("the next owner will analyse the last results again: %s", error)
        for _, number in places:
            self._new.discard(number)
            self._keeper.drop(number)
            self._orders.pop(number, None)

    def _take_over(self) -> None:
        """Load the states of the new partitions, and read them from where the group stood."""
        places = [(self._settings.topic_faces, number) for number in sorted(self._new)]
        bounds = self._consumer.bounds(places)
        found = self._ask_ends({(topic, number) for topic in self._sources for _, number in places})
        for place in places:
            number, (first, end) = place[1], bounds[place]
            committed = self._consumer.committed(place)
            is_whole = committed is not None and first <= committed[0] <= end
            start, metadata = committed if committed and is_whole else (first, "")
            ends = {topic: end for (topic, of), end in found.items() if of == number}
            if start == 0 and not metadata:
                self._orders[number] = PartitionOrder(dict.fromkeys(self._sources, 0))
            else:
                self._orders[number] = PartitionOrder.resume(metadata, self._sources, ends)
            self._keeper.load(number, end, ends, self._clock())
            self._consumer.seek(place, start)
            self._positions[number] = start
        self._listening_since_s = self._clock()
        log.info("owning partitions %s", ", ".join(str(number) for _, number in places))
        self._new.clear()

    def _analyse(self, records: list[LogRecord]) -> None:
        settled = self._settled_by(records)
        now_s = self._clock()
        arrived = Arrival(now_s, self._working.hear(now_s) if any(settled) else self._working.at(now_s))
        for record, ours in zip(records, settled, strict=True):
            number, mark = record.source.partition, record.source.offset
            self._positions[number] = mark + 1
            result = self._read(record)
            if result is not None and ours is not None and not self._is_current(result, ours[0]):
                _LATE.inc()
                continue
            if result is not None and not _is_of(result, number, ours):
                self._take(number, mark, result, now_s)
                result = None
            if ours is not None:
                self._hand_on(number, self._orders[number].take(*ours, mark, result, arrived))

    def _read(self, record: LogRecord) -> FacesRecord | None:
        """Return a record's result, None if it only settles offsets, or cannot be read."""
        if record.value is None:
            return None
        try:
            return FacesRecord.decode(record.value, record.at)
        except ContractError as error:
            self._refusals.refuse((record, error))
            return None

    def _settled_by(self, records: list[LogRecord]) -> list[tuple[str, OffsetRange] | None]:
        """Return what each record settles of our own source topics: nothing beyond the ends of their logs."""
        settled = [what_it_settles(record) for record in records]
        ours = [
            (one[0], record.source.partition, one[1]) if one is not None and one[0] in self._sources else None
            for one, record in zip(settled, records, strict=True)
        ]
        self._ask_ends({one[:2] for one in ours if one is not None and self._is_beyond(*one)})
        return [None if one is None or self._is_beyond(*one) else (one[0], one[2]) for one in ours]

    def _is_beyond(self, topic: str, number: int, offsets: OffsetRange) -> bool:
        """Whether offsets are beyond the end of the log. While Kafka does not say where that is, none is."""
        return offsets.stop > self._source_ends.get((topic, number), 0) and time.monotonic() >= self._next_ends_s

    def _ask_ends(self, places: set[Place]) -> dict[Place, int]:
        """Learn where the logs of source partitions end now, and return it; nothing while Kafka does not say."""
        if not places or time.monotonic() < self._next_ends_s:
            return {}
        try:
            found = self._lookout.ends(places)
        except UnavailableError as error:
            log.warning("%s", error)
            self._next_ends_s = time.monotonic() + _ASK_AGAIN_S
            return {}
        self._source_ends |= found
        return found

    def _is_current(self, result: FacesRecord, topic: str) -> bool:
        """Whether a result is of the log that a topic has now, as far as known."""
        if result.log_id is None:
            return True
        if result.log_id != self._log_ids.get(topic) and time.monotonic() >= self._next_id_s.get(topic, -math.inf):
            self._next_id_s[topic] = time.monotonic() + _ASK_ID_AGAIN_S
            try:
                self._log_ids[topic] = self._lookout.log_id(topic)
            except UnavailableError as error:
                log.warning("%s", error)
        return self._log_ids.get(topic) in (None, result.log_id)

    def _hand_on(self, number: int, ready: list[Ready]) -> None:
        """Have results analysed that are in order."""
        for result, mark, arrived, late in ready:
            if not self._take(number, mark, result, arrived.at_s, ordered=True) and late:
                _LATE.inc()

    def _take(self, number: int, mark: int, result: FacesRecord, now_s: float, *, ordered: bool = False) -> bool:
        """Analyse a result; one that breaks the analysis is left out, and the camera's next ones are analysed."""
        try:
            is_new = self._keeper.take(number, mark, result, now_s, ordered=ordered)
        except UnavailableError:
            raise
        except Exception:
            log.exception("cannot analyse %s", result.source)
            ROLE_ERRORS.labels("analytics").inc()
            return False
        if is_new:
            _ANALYSED.inc()
        return is_new

    def _look(self, caught_up: bool) -> None:
        """Follow the cameras' settings, and judge silence and venues, now and then.

        Raises:
            UnavailableError: MongoDB or Kafka does not answer.
        """
        now_s = self._clock()
        if not caught_up or now_s < self._listening_since_s:
            self._listening_since_s = now_s
        if time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + _LOOK_EVERY_S
        self._follow_cameras()
        self._pass_holes(now_s)
        self._keeper.watch(now_s, self._listening_since_s, self._held_since_s())
        if _VENUE_PARTITION in self._keeper.partitions():
            self._judge.judge(now_s)
        _CAMERAS.set(self._keeper.count())

    def _pass_holes(self, now_s: float) -> None:
        """Go on without the results that have not come for too long."""
        until_s = self._working.at(now_s) - self._settings.analytics_wait_s
        for number, order in self._orders.items():
            self._hand_on(number, order.pass_holes(until_s, _MOST_HELD))
            passed = order.count_passed()
            if passed:
                log.warning("partition %d: %d results have not come, going on without them", number, passed)
                _PASSED.inc(passed)
        _HELD.set(sum(map(len, self._orders.values())))

    def _held_since_s(self) -> dict[int, float]:
        """Since when results of partitions are held up."""
        times_s = {number: order.held_since_s() for number, order in self._orders.items()}
        return {number: at_s for number, at_s in times_s.items() if at_s is not None}

    def _follow_cameras(self) -> None:
        changes = self._follower.poll()
        if changes.changed or changes.removed:
            self._cameras = {name: one for name, one in self._cameras.items() if name not in changes.removed}
            self._cameras |= changes.changed
            self._keeper.follow(self._cameras, self._clock())
            self._judge.follow(self._cameras)

    def _insist(self, stop: threading.Event, step: Callable[[], None]) -> None:
        """Do a step for as long as it takes until the servers have taken it, or the role is stopped."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                step()
                self._healthy["mongodb"] = True
            except UnavailableError as error:
                self._healthy["mongodb"] = False
                log.warning("%s", error)
                stop.wait(backoff.next_s())
            else:
                return

    def _save(self, caught_up: bool) -> None:
        is_due = time.monotonic() >= self._next_commit_s
        self._new |= self._keeper.save(self._clock(), urgent=caught_up, everything=is_due)
        if is_due:
            self._commit()
            self._next_commit_s = time.monotonic() + _COMMIT_EVERY_S

    def _commit(self) -> None:
        """Commit how far all partitions are analysed, as everything that was analysed is saved."""
        safe = {}
        for number in self._keeper.partitions():
            order = self._orders[number]
            place = (self._settings.topic_faces, number)
            safe[place] = order.resume_from(self._positions[number]), order.encode()
        if safe:
            self._consumer.commit(safe)


def _is_of(result: FacesRecord, number: int, settled: tuple[str, OffsetRange] | None) -> bool:
    """Whether a result is that of the one offset which its record settles."""
    if settled is None or len(settled[1]) != 1:
        return False
    source = result.source
    return (source.topic, source.partition, source.offset) == (settled[0], number, settled[1].start)
