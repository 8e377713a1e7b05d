"""The analytics role killed with -9 again and again must tell what an undisturbed one tells, to the last count.

    python -m bench.analytics_kills [--kills 50] [--cameras 4] [--rate 60] [--seed 1]

Starts Kafka and MongoDB of its own and sends simulated results of cameras with all ten uses, for as long as it takes:
of every other camera as another detector does, of the others as workers do, by task, out of order, some of them twice.
Each time that the role has partitions again it is killed at a random moment of the next seconds. Then a role with a
group and a database of its own reads the same log without a kill. Compared are events, alerts, counts (occupancy for
each second, minutes to days, heatmaps, venues), the states of the checkpoints with their offsets, and that each event
and alert stored is in Kafka too. Exits 1 when anything differs. Writes bench/results/analytics_kills.json.
"""

import argparse
import dataclasses
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pymongo
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from bench.analytics import CAMERA, SECONDS, make_records
from bench.fleet import Fleet
from contracts.faces import FacesRecord
from contracts.offsets import SETTLES_HEADER, SOURCE_TOPIC_HEADER, OffsetRange, SourceOffset
from messaging.admin import ensure_topics
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect

RESULTS = Path(__file__).resolve().parent / "results/analytics_kills.json"
FPS = 5.0
TASK = 8
AGO = timedelta(hours=3)
"""Longer ago than what is live, and not so long that retention removes any of it."""

WITHIN_S = 240.0
QUIET_S = 8.0
"""After the last result: longer than the silence that lets go what waits for a missing one, and than a checkpoint."""

Found = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Trial:
    """How often, before how many cameras, at how many results a second, and with which moments."""

    kills: int = 50
    cameras: int = 4
    rate: float = 60.0
    seed: int = 1


class Worker:
    """Publishes one camera's results as workers do: of two tasks the second first, and every fifth time it again."""

    def __init__(self, producer: KafkaProducer, settings: Settings, partition: int) -> None:
        self._producer = producer
        self._settings = settings
        self._partition = partition
        self._waiting: list[FacesRecord] = []
        self._tasks = 0
        self._published = 0
        self.end = 0
        """One past the offset in `Faces` of the last result that is no repeat."""

    def take(self, record: FacesRecord) -> None:
        """Have a frame in the log, and its result some time later."""
        place = self._producer.send(self._settings.topic_frames, b"frame", partition=self._partition)
        source = SourceOffset(self._settings.topic_frames, self._partition, place.get(30).offset)
        self._waiting.append(replace(record, source=source))
        if len(self._waiting) == 2 * TASK:
            self._tasks += 1
            self._publish(self._waiting[TASK:])
            if self._tasks % 5 == 0:
                self._publish(self._waiting[TASK:], again=True)
            self._publish(self._waiting[:TASK])
            self._waiting.clear()

    def finish(self) -> None:
        """Publish what waits."""
        self._publish(self._waiting)

    def _publish(self, records: list[FacesRecord], *, again: bool = False) -> None:
        for record in records:
            settled = OffsetRange(record.source.offset, record.source.offset + 1).encode()
            headers = [(SETTLES_HEADER, settled), (SOURCE_TOPIC_HEADER, self._settings.topic_frames.encode())]
            key, topic = record.camera_id.encode(), self._settings.topic_faces
            self._producer.send(topic, record.encode(), key=key, partition=self._partition, headers=headers)
            self._published += 1
            self.end = self.end if again else self._published


class Sender(threading.Thread):
    """Sends the results of all cameras in turn, each camera on a partition of its own, until it is told to end."""

    def __init__(self, trial: Trial, settings: Settings) -> None:
        super().__init__(name="sender", daemon=True)
        self._trial = trial
        self._settings = settings
        self._end = threading.Event()
        self.ends: dict[str, int] = {}

    def run(self) -> None:
        """Send in turn."""
        producer = KafkaProducer(bootstrap_servers=self._settings.kafka_bootstrap_servers.split(","), acks="all")
        begun_s, cameras = time.monotonic(), camera_ids(self._trial)
        workers = {one: Worker(producer, self._settings, number) for number, one in enumerate(cameras) if number % 2}
        for number, record in enumerate(endless(make_records(FPS))):
            for partition, camera_id in enumerate(cameras):
                result = replace(record, camera_id=camera_id)
                if camera_id in workers:
                    workers[camera_id].take(result)
                    continue
                key, topic = camera_id.encode(), self._settings.topic_faces
                producer.send(topic, result.encode(), key=key, partition=partition)
                self.ends[camera_id] = number + 1
            if self._end.wait(max(0.0, begun_s + number * self._trial.cameras / self._trial.rate - time.monotonic())):
                break
        for camera_id, worker in workers.items():
            worker.finish()
            self.ends[camera_id] = worker.end
        producer.close()

    def end(self) -> dict[str, int]:
        """End; return how many results each camera has sent."""
        self._end.set()
        self.join()
        return self.ends


def endless(records: list[FacesRecord]) -> Iterator[FacesRecord]:
    """Repeat the scene, with frame numbers and times that go on from some hours ago."""
    number, shift = 0, datetime.now(timezone.utc).replace(microsecond=0) - AGO - records[0].captured_at
    while True:
        for record in records:
            at = record.captured_at + shift
            yield replace(record, frame_id=number, captured_at=at, source=replace(record.source, offset=number))
            number += 1
        shift += timedelta(seconds=SECONDS)


def camera_ids(trial: Trial) -> list[str]:
    """Return the cameras' names."""
    return [f"hall-{number}" for number in range(trial.cameras)]


class Role:
    """One analytics process after the other, all of them with the same settings; none is left behind."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._environment = os.environ | settings.to_environment()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Role":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start a process and wait until it owns partitions."""
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "workers", "analytics"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        wait_for("owning partitions", lambda: b"owning partitions" in self._log.read_bytes())

    @property
    def pid(self) -> int:
        """The id of the process that was started last.

        Raises:
            RuntimeError: none was started.
        """
        if self._process is None:
            raise RuntimeError("the role was not started")
        return self._process.pid

    def kill(self) -> None:
        """Kill it with -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop it as an operator does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it took too long.
    """
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {WITHIN_S:g} s: {what}")
        time.sleep(0.1)


def finish(role: Role, settings: Settings, ends: dict[str, int]) -> Found:
    """Wait until all is analysed, stop the role, and return what there is."""
    with pymongo.MongoClient[dict[str, Any]](settings.mongodb_uri) as client:
        database = client[settings.mongodb_database]

        def offsets() -> dict[str, int]:
            return {
                one["camera_id"]: one["offset"] for one in database.checkpoints.find({}, {"camera_id": 1, "offset": 1})
            }

        wait_for("every result analysed", lambda: offsets() == ends)
        time.sleep(QUIET_S)
        role.stop()
        found = {
            name: {str(one["_id"]): one for one in database[name].find({}, {"version": 0})}
            for name in ("events", "alerts", "occupancy_rollups", "heatmaps", "venues")
        }
        found["occupancy"] = {f"{one['of']}/{one['at']}": {**one, "_id": None} for one in database.occupancy.find()}
        found["occupancy documents"] = {"count": {"count": database.occupancy.count_documents({})}}
        found["checkpoints"] = {
            one["_id"]: {"offset": one["offset"], "state": one["state"]} for one in database.checkpoints.find()
        }
    for name, topic, key in (
        ("events", settings.topic_events, "event_id"),
        ("alerts", settings.topic_alerts, "alert_id"),
    ):
        published = read_ids(settings, topic, key)
        found[f"{name} in Kafka"] = {one: {} for one in published}
    return found


def read_ids(settings: Settings, topic: str, key: str) -> set[str]:
    """Return the ids of all records in a topic."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    try:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        consumer.seek_to_beginning()
        ids: set[str] = set()
        while any(consumer.position(place) < end for place, end in ends.items()):
            ids |= {json.loads(one.value)[key] for batch in consumer.poll(500).values() for one in batch}
        return ids
    finally:
        consumer.close()


def put_cameras(trial: Trial, settings: Settings) -> None:
    """Store the cameras' settings."""
    client = connect(settings)
    for camera_id in camera_ids(trial):
        Cameras(client, settings).put(msgspec.structs.replace(CAMERA, camera_id=camera_id))
    client.close()


def run(trial: Trial, say: Callable[[str], None]) -> tuple[Found, Found, int]:
    """Return what the disturbed and the undisturbed role found, and how many results both were given."""
    rng = random.Random(trial.seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        base = Settings(log_format="text", partitions=trial.cameras)
        with Fleet(base, Path(folder), roles=()) as fleet:
            settings = fleet.settings
            calm = settings.model_copy(
                update={
                    "mongodb_database": "Undisturbed",
                    "group_prefix": "undisturbed",
                    "topic_events": "undisturbed.events",
                    "topic_alerts": "undisturbed.alerts",
                }
            )
            for one in (settings, calm):
                ensure_topics(one)
                put_cameras(trial, one)
            sender = Sender(trial, settings)
            with Role(settings, Path(folder) / "role.log") as role:
                sender.start()
                for number in range(trial.kills):
                    role.start()
                    after_s = rng.uniform(0, 3)
                    time.sleep(after_s)
                    role.kill()
                    say(f"kill {number + 1} of {trial.kills}, {after_s:.2f} s after it owned partitions")
                role.start()
                ends = sender.end()
                disturbed = finish(role, settings, ends)
            say("undisturbed")
            with Role(calm, Path(folder) / "undisturbed.log") as role:
                role.start()
                expected = finish(role, calm, ends)
    return disturbed, expected, sum(ends.values())


def main() -> int:
    """Kill, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in dataclasses.fields(Trial):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    trial, console, begun_s = Trial(**vars(parser.parse_args())), Console(), time.monotonic()
    disturbed, expected, results = run(
        trial, lambda text: console.print(f"[dim]{time.monotonic() - begun_s:6.1f} s[/dim]  {text}")
    )
    table = Table("what", "undisturbed", "with kills", "different")
    compared: dict[str, dict[str, int]] = {}
    for what, right in expected.items():
        found = disturbed[what]
        different = sum(found.get(key) != right.get(key) for key in found.keys() | right.keys())
        compared[what] = {"undisturbed": len(right), "with_kills": len(found), "different": different}
        table.add_row(what, *(str(count) for count in compared[what].values()))
    console.print(table)
    document = {"trial": dataclasses.asdict(trial), "results": results, "compared": compared, "cores": os.cpu_count()}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    is_right = bool(expected["events"]) and not any(one["different"] for one in compared.values())
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
