"""What must hold of a system after odd things: first processes, good frames answered, live counts, nothing stuck."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pymongo
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from bench.fuzz.documents import Asker, OddRequest
from bench.fuzz.logs import last_traceback
from bench.fuzz.pictures import good_pictures
from bench.fuzz.records import LIVE_CAMERA, Records
from bench.fuzz.system import System
from contracts.frames import FrameHeaders, Origin
from contracts.times import to_rfc3339

_LIVE_PER_S = 2.0
_ANSWERED_WITHIN_S = 30
_OCCUPANCY_S = 10
_OCCUPANCY_LATE_S = 20
_OCCUPANCY_SHARE = 0.9
_AT_WORK = 200
"""So many records may still be at work when others are sent."""

_GROUPS = {"sink": "topic_faces", "analytics": "topic_faces", "notify": "topic_alerts", "media": "topic_media"}


@dataclass
class Verdict:
    """What was found. `problems` are in words; there must be none."""

    problems: list[str] = field(default_factory=list)
    stored_by_http: int = 0
    stored_by_kafka: int = 0
    occupancy_seconds: str = ""
    occupancy_during: str = ""
    quiet_after_s: float | None = None
    dead_letters: int = 0
    memory_mib: dict[str, tuple[float, float]] = field(default_factory=dict)


class LiveCamera:
    """A camera that sends good frames all the time, in a thread of its own."""

    def __init__(self, system: System) -> None:
        self._topic = system.settings.topic_frames
        self._producer = KafkaProducer(bootstrap_servers=system.settings.kafka_bootstrap_servers.split(","))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-camera", daemon=True)

    def __enter__(self) -> "LiveCamera":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.close(timeout=10)

    def _run(self) -> None:
        pictures, number = good_pictures(), 0
        while not self._stop.wait(1 / _LIVE_PER_S):
            headers = FrameHeaders(number, datetime.now(timezone.utc), "image/jpeg", Origin.LIVE).encode()
            self._producer.send(
                self._topic, pictures[number % len(pictures)], key=LIVE_CAMERA.encode(), headers=headers
            )
            number += 1


class Watch:
    """Looks all the time whether each role and server is still its first process."""

    def __init__(self, system: System, say: Callable[[str], None], sent: Callable[[], int]) -> None:
        self._system = system
        self._say = say
        self._sent = sent
        self._begun = sent()
        self._first = system.pids()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.problems: list[str] = []

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        known, before = dict(self._first), 0
        while not self._stop.wait(1.0):
            for name, pid in self._system.pids().items():
                if pid and pid != known.get(name):
                    suspects = f"suspects: records {max(self._begun, before - _AT_WORK)} to {self._sent()}"
                    what = f"{name} is another process; {suspects}; {last_traceback(self._system.logs, name)}"
                    self.problems.append(what)
                    self._say(what)
                    known[name] = pid
            before = self._sent()


class Judge:
    """Takes measure of a system before it is sent odd things, and looks at it afterwards."""

    def __init__(self, system: System, say: Callable[[str], None]) -> None:
        self._system = system
        self._say = say
        self._asker = Asker(system.url, system.key)
        self._wanted = [self._faces_of(picture) for picture in good_pictures()]
        self._memory_before = system.memory_mib()

    def verdict(self, pictures: int, within_s: float, since: datetime) -> Verdict:
        """Wait for quiet, send good pictures, and look. `since` is when the live camera began."""
        found = Verdict()
        found.quiet_after_s = self._wait_for_quiet(within_s, found)
        ended, begun = datetime.now(timezone.utc), time.monotonic()
        self._send_by_http(pictures, found)
        self._send_by_kafka(pictures, found)
        time.sleep(max(0.0, begun + _OCCUPANCY_S - time.monotonic()))
        try:
            self._look_at_occupancy(since, ended, found)
        except (OSError, RuntimeError) as error:
            found.problems.append(str(error))
        self._look_at_groups(found)
        found.problems += self._system.unhealthy()
        found.dead_letters = self._dead_letters()
        after = self._system.memory_mib()
        found.memory_mib = {name: (self._memory_before.get(name, 0.0), mib) for name, mib in after.items()}
        return found

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        status, answer = self._asker.answer(OddRequest(method, path, body))
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer[:300]

    def _faces_of(self, picture: bytes) -> Any:
        path = f"/api/frames?camera_id=fuzz-judge&wait={_ANSWERED_WITHIN_S}"
        status, record = self._ask("POST", path, picture)
        if status != 200 or record["status"] != "ok":
            raise RuntimeError(f"a good picture is answered with {status} {record}")
        return record["faces"]

    def _wait_for_quiet(self, within_s: float, found: Verdict) -> float | None:
        """Wait until the bridge has nothing in flight but what the live camera sends; return how long it took."""
        begun, left = time.monotonic(), ""
        while time.monotonic() < begun + within_s:
            try:
                samples = self._system.metrics("bridge")
            except OSError as error:
                left = f"the bridge does not answer: {error}"
            else:
                behind = {
                    name: value
                    for name, value in samples.items()
                    if name.startswith(("crowdwatch_bridge_lag{", "crowdwatch_bridge_queue_length{")) and value > 8
                }
                if not behind and not self._system.unhealthy():
                    return round(time.monotonic() - begun, 1)
                left = str(behind)
            time.sleep(1.0)
        found.problems.append(f"not quiet after {within_s:g} s: {left}")
        return None

    def _send_by_http(self, pictures: int, found: Verdict) -> None:
        for number in range(pictures):
            try:
                faces = self._faces_of(good_pictures()[number % len(self._wanted)])
            except (OSError, RuntimeError) as error:
                found.problems.append(f"picture {number} by HTTP: {error}")
                continue
            if faces == self._wanted[number % len(self._wanted)]:
                found.stored_by_http += 1
            else:
                found.problems.append(f"picture {number} by HTTP has other faces than before: {faces}")

    def _send_by_kafka(self, pictures: int, found: Verdict) -> None:
        settings = self._system.settings
        producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","), acks="all")
        partitions = sorted(producer.partitions_for(settings.topic_frames))
        sent = []
        for number in range(pictures):
            picture, partition = good_pictures()[number % len(self._wanted)], partitions[number % len(partitions)]
            key = f"fuzz-after-{partition}".encode()
            sent.append(producer.send(settings.topic_frames, picture, key=key, partition=partition))
        wanted = {}
        for number, future in enumerate(sent):
            place = future.get(_ANSWERED_WITHIN_S)
            wanted[f"{place.topic}/{place.partition}/{place.offset}"] = self._wanted[number % len(self._wanted)]
        producer.close()
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(settings.mongodb_uri)
        collection, stored = client[settings.mongodb_database].DetectedFaces, {}
        deadline = time.monotonic() + _ANSWERED_WITHIN_S + pictures / 2
        while len(stored) < len(wanted) and time.monotonic() < deadline:
            time.sleep(0.5)
            stored = {one["_id"]: one for one in collection.find({"_id": {"$in": [*wanted]}})}
        client.close()
        for place, faces in wanted.items():
            document = stored.get(place)
            if document is not None and document["status"] == "ok" and document["faces"] == faces:
                found.stored_by_kafka += 1
            else:
                said = document and {name: document.get(name) for name in ("status", "error", "camera_id", "faces")}
                found.problems.append(f"picture {place} by Kafka: {said or 'there is no document'}")

    def _look_at_occupancy(self, since: datetime, ended: datetime, found: Verdict) -> None:
        """Count seconds of the live camera: of the time after everything odd, which come late, and of before."""
        seconds, there, deadline = _OCCUPANCY_S, 0, time.monotonic() + _OCCUPANCY_LATE_S
        while there < seconds and time.monotonic() < deadline:
            there = self._occupancy(ended, ended + timedelta(seconds=seconds))
            time.sleep(0.5)
        found.occupancy_seconds = f"{there} of {seconds}"
        if there < _OCCUPANCY_SHARE * seconds:
            found.problems.append(f"occupancy of {LIVE_CAMERA}: {found.occupancy_seconds} seconds are there")
        during = int((ended - since).total_seconds())
        if during > 0:
            found.occupancy_during = f"{self._occupancy(since, ended)} of {during}"

    def _occupancy(self, begin: datetime, end: datetime) -> int:
        """Count the seconds with occupancy of the live camera."""
        times = f"from={quote(to_rfc3339(begin))}&to={quote(to_rfc3339(end))}"
        status, answer = self._ask("GET", f"/api/analytics/occupancy?camera={LIVE_CAMERA}&{times}&bucket=1")
        if status != 200:
            raise RuntimeError(f"occupancy is answered with {status} {answer}")
        return len(answer["series"])

    def _look_at_groups(self, found: Verdict) -> None:
        """Have each group come to the end of its topic: a good record is put behind what it does not see."""
        settings, roles = self._system.settings, self._system.roles()
        self._send_good((settings.topic_media, settings.topic_alerts))
        behind = dict.fromkeys(set(_GROUPS) & set(roles), 1)
        deadline = time.monotonic() + _ANSWERED_WITHIN_S
        while behind and time.monotonic() < deadline:
            time.sleep(0.5)
            behind = {role: lag for role in behind if (lag := self._lag(role, getattr(settings, _GROUPS[role])))}
        found.problems += [f"the group of {role} is {lag} records behind" for role, lag in behind.items()]

    def _send_good(self, topics: tuple[str, ...]) -> None:
        """Send a good record to each partition of these topics, which bear the names of their defaults."""
        records = Records(0, datetime.now(timezone.utc))
        producer = KafkaProducer(bootstrap_servers=self._system.settings.kafka_bootstrap_servers.split(","))
        for topic in topics:
            for partition in producer.partitions_for(topic):
                value, headers = records.good(topic, partition)
                producer.send(topic, value, key=b"fuzz-after", headers=headers, partition=partition)
        producer.close(timeout=10)

    def _lag(self, role: str, topic: str) -> int:
        """Return how many records a group is behind; those that were aborted are not seen by it."""
        settings = self._system.settings
        consumer = KafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers.split(","),
            group_id=f"{settings.group_prefix}-{role}",
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=64 * 1024 * 1024,
        )
        try:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            ends, lag = consumer.end_offsets(places), 0
            for place in places:
                committed = consumer.committed(place) or 0
                if ends[place] > committed:
                    lag += self._visible(consumer, place, committed, ends[place])
            return lag
        finally:
            consumer.close(autocommit=False)

    @staticmethod
    def _visible(consumer: KafkaConsumer, place: TopicPartition, start: int, stop: int) -> int:
        """Count the records from `start` on that belong to no aborted transaction, as far as they are near."""
        consumer.assign([place])
        consumer.seek(place, start)
        found, deadline = 0, time.monotonic() + 5
        while consumer.position(place) < stop and time.monotonic() < deadline:
            try:
                found += sum(len(batch) for batch in consumer.poll(timeout_ms=500).values())
            except KafkaError:  # kafka-python cannot read it: a record all the same
                return found + 1
        return found

    def _dead_letters(self) -> int:
        topic = self._system.settings.topic_dead
        consumer = KafkaConsumer(bootstrap_servers=self._system.settings.kafka_bootstrap_servers.split(","))
        try:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            return sum(consumer.end_offsets(places).values())
        finally:
            consumer.close(autocommit=False)
