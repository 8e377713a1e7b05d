"""A storm: frames above capacity, and every few seconds something is killed, emptied or stopped. Nothing may be lost.

    python -m bench.storm [--frames N] [--cameras C] [--rate R] [--faults K] [--poison N] [--seed S] [--brokers B]
        [--output FILE]

Starts Kafka, Redis, MongoDB, bridge, worker and sink of its own, sends frames, and at random, from a printed seed,
kills with -9 a bridge, a worker with its children, one of its children, a sink, Redis (which comes back empty) or a
broker, or empties Redis, or stops MongoDB for some seconds. With several brokers every topic has three copies, two of
which must be in step, and a broker is only killed while the others are up. One frame in N crashes the process that
decodes it. Then it waits for quiet and compares the log with the database. Exits 1 when the promise does not hold.
"""

import argparse
import collections
import dataclasses
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import psutil
import pymongo
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from bench.fleet import Fleet
from bench.storm_site import POISON_PATH
from samples import CLIP
from settings import Settings

QUIET_WITHIN_S = 240
POISON = b"poison"
MONGODB_STOPPED_S = 4.0


@dataclasses.dataclass(frozen=True)
class Storm:
    """How hard it blows."""

    frames: int = 3000
    cameras: int = 8
    rate: float = 60.0
    faults: int = 16
    poison: int = 500
    seed: int = 1
    brokers: int = 1


@dataclasses.dataclass
class Damage:
    """What was found afterwards. All but the last four must be zero."""

    acknowledged_without_document: int = 0
    documents_without_frame: int = 0
    good_frames_failed: int = 0
    poison_not_failed: int = 0
    watermarks_short: int = 0
    processes_left: int = 0
    in_log: int = 0
    detected_twice: int = 0
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    answered_after_s: float = 0.0

    @property
    def total(self) -> int:
        """How often the promise was broken."""
        return (
            self.acknowledged_without_document
            + self.documents_without_frame
            + self.good_frames_failed
            + self.poison_not_failed
            + self.watermarks_short
            + self.processes_left
        )


class Faults:
    """The faults, each by its name. One that finds its victim absent does nothing and says so."""

    def __init__(self, fleet: Fleet, rng: random.Random) -> None:
        self._fleet = fleet
        self._rng = rng
        self.kinds: dict[str, Callable[[], bool]] = {
            "kill bridge": lambda: self._kill("bridge"),
            "kill worker": lambda: self._kill("worker"),
            "kill worker child": self._kill_child,
            "kill sink": lambda: self._kill("sink"),
            "kill redis": lambda: self._kill("redis"),
            "empty redis": self._empty_redis,
            "kill broker": self._kill_broker,
            "stop mongodb": self._stop_mongodb,
        }

    def _kill(self, name: str) -> bool:
        tree = self._fleet.tree(name)
        for member in tree:
            with _gone_is_fine():
                member.kill()
        return bool(tree)

    def _kill_broker(self) -> bool:
        """Kill one; of several, only while every copy of every partition is in step."""
        brokers = [name for name in self._fleet.names if name.startswith("kafka")]
        if len(brokers) > 1 and not _all_in_step(self._fleet.settings):
            return False
        return self._kill(self._rng.choice(brokers))

    def _kill_child(self) -> bool:
        children = self._fleet.tree("worker")[1:]
        if not children:
            return False
        with _gone_is_fine():
            self._rng.choice(children).kill()
        return True

    def _empty_redis(self) -> bool:
        try:
            with redis.Redis.from_url(self._fleet.settings.redis_url, socket_timeout=2) as client:
                client.flushall()
        except redis.RedisError:
            return False
        return True

    def _stop_mongodb(self) -> bool:
        process = self._fleet.process("mongo")
        if process is None:
            return False
        process.suspend()
        time.sleep(MONGODB_STOPPED_S)
        process.resume()
        return True


def _all_in_step(settings: Settings) -> bool:
    """Whether every broker has a copy of what the others have acknowledged."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
        try:
            topics = admin.describe_topics(admin.list_topics())
        finally:
            admin.close()
    except KafkaError:
        return False
    partitions = [partition for topic in topics for partition in topic["partitions"]]
    return all(len(one["isr_nodes"]) == len(one["replica_nodes"]) for one in partitions)


class _gone_is_fine:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, psutil.NoSuchProcess)


def sample_pictures(count: int = 40) -> list[bytes]:
    """Return frames of the sample clip as JPEG, 640 pixels wide."""
    capture, found = cv2.VideoCapture(str(CLIP)), []
    for _ in range(count):
        _, frame = capture.read()
        found.append(cv2.imencode(".jpg", cv2.resize(frame, (640, 360)))[1].tobytes())
    capture.release()
    return found


def blow(storm: Storm, fleet: Fleet, say: Callable[[str], None]) -> Damage:
    """Send, break things, wait for quiet, and look at what is left."""
    rng, settings = random.Random(storm.seed), fleet.settings
    acknowledged = _Acknowledged()
    faults, happened = Faults(fleet, rng), collections.Counter[str]()
    done = threading.Event()

    def break_things() -> None:
        pause_s = storm.frames / storm.rate / (storm.faults + 1)
        names = list(faults.kinds)
        while sum(happened.values()) < storm.faults and not done.wait(rng.uniform(0.5, 1.5) * pause_s):
            name = rng.choice(names)
            if faults.kinds[name]():
                happened[name] += 1
                say(f"{name} ({sum(happened.values())} of {storm.faults})")

    breaker = threading.Thread(target=break_things, name="faults", daemon=True)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), acks="all", linger_ms=5, max_block_ms=60_000
    )
    pictures, started = sample_pictures(), time.monotonic()
    breaker.start()
    for number in range(storm.frames):
        time.sleep(max(0.0, started + number / storm.rate - time.monotonic()))
        picture, camera = pictures[number % len(pictures)], f"camera-{number % storm.cameras}"
        bad = storm.poison > 0 and number % storm.poison == storm.poison // 2
        acknowledged.send(producer, settings.topic_frames, camera, picture + POISON if bad else picture, bad)
    breaker.join()
    producer.flush(timeout=90)
    producer.close(timeout=10)
    done.set()
    ended = time.monotonic()
    say(f"{len(acknowledged.places)} of {storm.frames} frames are acknowledged; waiting for quiet")
    damage = _look(settings, acknowledged.places, acknowledged.poisoned, say)
    damage.answered_after_s = round(time.monotonic() - ended, 1)
    damage.faults = dict(sorted(happened.items()))
    return damage


class _Acknowledged:
    """Which frames Kafka has acknowledged, by their place, and which of them are poison."""

    def __init__(self) -> None:
        self.places: set[str] = set()
        self.poisoned: set[str] = set()
        self._lock = threading.Lock()

    def send(self, producer: KafkaProducer, topic: str, camera: str, picture: bytes, poison: bool) -> None:
        """Send a frame, and note its place once it is acknowledged. One that is refused was never promised."""

        def note(metadata: Any) -> None:
            place = f"{metadata.topic}/{metadata.partition}/{metadata.offset}"
            with self._lock:
                self.places.add(place)
                if poison:
                    self.poisoned.add(place)

        try:
            producer.send(topic, picture, key=camera.encode()).add_callback(note)
        except KafkaError as error:
            sys.stderr.write(f"not sent: {error}\n")


def _look(settings: Settings, acknowledged: set[str], poisoned: set[str], say: Callable[[str], None]) -> Damage:
    damage = Damage()
    with pymongo.MongoClient(settings.mongodb_uri) as client:
        collection = client[settings.mongodb_database].DetectedFaces
        ends = _ends(settings, settings.topic_frames)
        damage.in_log = sum(ends.values())
        deadline, told = time.monotonic() + QUIET_WITHIN_S, -1
        while time.monotonic() < deadline:
            stored = collection.count_documents({})
            if stored >= damage.in_log and _watermarks(settings) == ends:
                break
            if stored != told:
                told = stored
                say(f"{stored} of {damage.in_log} are stored")
            time.sleep(2)
        status = {document["_id"]: document["status"] for document in collection.find({}, {"status": 1})}
    in_log = {f"{place.topic}/{place.partition}/{offset}" for place, end in ends.items() for offset in range(end)}
    damage.acknowledged_without_document = len((acknowledged | in_log) - set(status))
    damage.documents_without_frame = len(set(status) - in_log)
    damage.good_frames_failed = sum(value != "ok" for key, value in status.items() if key not in poisoned)
    damage.poison_not_failed = sum(status.get(key) != "failed" for key in poisoned)
    watermarks = _watermarks(settings)
    damage.watermarks_short = sum(watermarks[place] != end for place, end in ends.items())
    damage.detected_twice = _detected_twice(settings)
    return damage


def _consumer(settings: Settings, group: str | None = None) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), group_id=group, enable_auto_commit=False
    )


def _ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    consumer = _consumer(settings)
    try:
        ends: dict[TopicPartition, int] = consumer.end_offsets(
            [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        )
        return ends
    finally:
        consumer.close()


def _watermarks(settings: Settings) -> dict[TopicPartition, int]:
    """Return what the bridge has committed for each partition of the frames."""
    consumer = _consumer(settings, f"{settings.group_prefix}-bridge")
    try:
        numbers = consumer.partitions_for_topic(settings.topic_frames)
        places = [TopicPartition(settings.topic_frames, number) for number in numbers]
        return {place: consumer.committed(place) or 0 for place in places}
    finally:
        consumer.close()


def _detected_twice(settings: Settings) -> int:
    """Count the results in `Faces` that are not the first of their frame."""
    seen, repeats = set(), 0
    ends = _ends(settings, settings.topic_faces)
    consumer = _consumer(settings)
    try:
        consumer.assign(list(ends))
        consumer.seek_to_beginning()
        while any(consumer.position(place) < end for place, end in ends.items()):
            for batch in consumer.poll(500).values():
                for record in batch:
                    if record.value is not None:
                        source = json.dumps(json.loads(record.value)["source"])
                        repeats += source in seen
                        seen.add(source)
    finally:
        consumer.close()
    return repeats


def run(storm: Storm, say: Callable[[str], None]) -> Damage:
    """Blow once, on servers and roles that are started for it and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        settings = Settings(log_format="text", worker_processes=2, replication_factor=min(3, storm.brokers))
        with Fleet(settings, Path(folder), site=POISON_PATH, brokers=storm.brokers) as fleet:
            say(f"everything is ready; seed {storm.seed}")
            damage = blow(storm, fleet, say)
            pids = fleet.pids()
        damage.processes_left = sum(_is_running(pid) for pid in pids)
        if damage.total:
            for log in sorted((Path(folder) / "logs").glob("*.log")):
                say(f"--- the end of {log.name}\n{log.read_text('utf-8', 'replace')[-3000:]}")
    return damage


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    """Blow, print what was found, and exit 1 when anything is lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__.splitlines()[0])
    for field in dataclasses.fields(Storm):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    parser.add_argument("--output", type=Path, help="write the result there, as JSON")
    arguments = vars(parser.parse_args())
    output, storm, console, started = arguments.pop("output"), Storm(**arguments), Console(), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    damage = run(storm, lambda text: console.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {text}"))
    table = Table("found", "count")
    for name, value in dataclasses.asdict(damage).items():
        table.add_row(name.replace("_", " "), str(value))
    console.print(table)
    if output is not None:
        result = {"storm": dataclasses.asdict(storm), "damage": dataclasses.asdict(damage), "cores": os.cpu_count()}
        output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    sys.exit(1 if damage.total else 0)


if __name__ == "__main__":
    main()
