"""The analytics role: follows `Faces` by a consumer group, and has the states of its cameras kept."""

import logging
import threading
import time
import uuid
from collections.abc import Callable

from prometheus_client import Counter, Gauge

from contracts.cameras import Camera
from contracts.errors import ContractError, UnavailableError
from contracts.faces import FacesRecord
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer, Place
from messaging.producer import Producer
from messaging.records import LogRecord
from messaging.refusals import Refusals, refusal_counter
from settings import Settings
from storage.cameras import Cameras, CamerasFollower
from storage.checkpoints import Checkpoints
from storage.client import connect
from storage.venues import Venues
from workers.analytics.delivery import Delivery
from workers.analytics.keeper import Keeper
from workers.analytics.snapshots import SnapshotTaker
from workers.analytics.venues import VenueJudge
from workers.runner import Backoff, run_steps

log = logging.getLogger(__name__)

_POLL_MS = 250
_POLL_RECORDS = 2000
_LOOK_EVERY_S = 1.0
_COMMIT_EVERY_S = 5.0
_VENUE_PARTITION = 0
"""Who owns this partition judges the venues."""

_ANALYSED = Counter("crowdwatch_analytics_results", "Results analysed")
_REFUSED = refusal_counter("analytics", "Records in Faces that are no result; the sink copies them to frames.dead")
_CAMERAS = Gauge("crowdwatch_analytics_cameras", "Cameras whose state is held")


class Analytics:
    """Owns partitions of `Faces`, and with each the cameras whose results are there."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
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

    def _take_over(self) -> None:
        """Load the states of the new partitions, and read them from where the group stood."""
        places = [(self._settings.topic_faces, number) for number in sorted(self._new)]
        bounds = self._consumer.bounds(places)
        for place in places:
            first, end = bounds[place]
            committed = self._consumer.committed(place)
            start = first if committed is None or committed[0] > end else max(committed[0], first)
            self._keeper.load(place[1], end, self._clock())
            self._consumer.seek(place, start)
            self._positions[place[1]] = start
        self._listening_since_s = self._clock()
        log.info("owning partitions %s", ", ".join(str(number) for _, number in places))
        self._new.clear()

    def _analyse(self, records: list[LogRecord]) -> None:
        now_s = self._clock()
        for record in records:
            number = record.source.partition
            self._positions[number] = record.source.offset + 1
            if record.value is None:  # it only settles offsets
                continue
            try:
                result = FacesRecord.decode(record.value, record.at)
            except ContractError as error:
                self._refusals.refuse((record, error))
                continue
            if self._keeper.take(number, record.source.offset, result, now_s):
                _ANALYSED.inc()

    def _look(self, caught_up: bool) -> None:
        """Follow the cameras' settings, and judge silence and venues, now and then.

        Raises:
            UnavailableError: MongoDB or Kafka does not answer.
        """
        now_s = self._clock()
        if not caught_up:
            self._listening_since_s = now_s
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + _LOOK_EVERY_S
        self._follow_cameras()
        self._keeper.watch(now_s, self._listening_since_s)
        if _VENUE_PARTITION in self._keeper.partitions():
            self._judge.judge(now_s)
        _CAMERAS.set(self._keeper.count())

    def _follow_cameras(self) -> None:
        changes = self._follower.poll()
        if changes.changed or changes.removed:
            self._cameras = {name: one for name, one in self._cameras.items() if name not in changes.removed}
            self._cameras |= changes.changed
            self._keeper.follow(self._cameras, self._clock())

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
        now_s = self._clock()
        self._new |= self._keeper.save(now_s, urgent=caught_up)
        if now_s >= self._next_commit_s:
            self._next_commit_s = now_s + _COMMIT_EVERY_S
            self._commit()

    def _commit(self) -> None:
        safe = {
            number: self._keeper.safe_offset(number, self._positions[number]) for number in self._keeper.partitions()
        }
        if safe:
            self._consumer.commit({(self._settings.topic_faces, number): (at, "") for number, at in safe.items()})
