"""Kafka's log lost and MongoDB kept: the sink, while topics are deleted and made again."""

import json
import multiprocessing
import threading
import time
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from prometheus_client import REGISTRY

from contracts.cameras import Camera
from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.client import common_config
from messaging.log_ids import CurrentLogs
from messaging.producer import Producer
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect
from storage.results import Results
from storage.source_logs import SourceLogs
from workers.sink import Sink

NOW = datetime.now(timezone.utc).replace(microsecond=0)


class World:
    """Topics, a database, and results that are published by hand."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        ensure_topics(settings)
        self.client = connect(settings)
        self.documents = self.client[settings.mongodb_database].DetectedFaces
        self.results = Results(self.client, settings)
        self.logs = CurrentLogs(settings, (settings.topic_frames, settings.topic_uploads))
        self.producer = Producer(settings)
        self.producer.start()
        self.topic = settings.topic_frames

    def id(self) -> str:
        return self.logs.ask()[self.topic]

    def record(self, offset: int, log_id: str | None, status: Status = Status.OK, **changes: object) -> FacesRecord:
        source = SourceOffset(self.topic, 0, offset)
        error = None if status is Status.OK else "broken"
        record = FacesRecord(source, "gate-1", offset, NOW, NOW, status, error=error, received_at=NOW, log_id=log_id)
        return replace(record, **changes)  # type: ignore[arg-type]

    def publish(self, *records: FacesRecord, partition: int = 0) -> None:
        for record in records:
            self.producer.send(self.settings.topic_faces, record.encode(), partition=partition).result(10)

    def make_anew(self, *topics: str) -> None:
        """Delete topics and make them again; results that were there before stay in MongoDB."""
        admin = KafkaAdminClient(**common_config(self.settings, "test"))
        admin.delete_topics(list(topics))
        until(lambda: not set(topics) & set(admin.list_topics()))
        admin.close()
        ensure_topics(self.settings)

    def ids(self) -> list[str]:
        return sorted(one["_id"].removeprefix(f"{self.topic}/0/") for one in self.documents.find({}, {"_id": 1}))

    def close(self) -> None:
        self.producer.close()
        self.logs.close()
        self.client.drop_database(self.settings.mongodb_database)
        self.client.close()


class Running:
    """A sink at work in a thread."""

    def __init__(self, settings: Settings) -> None:
        self._sink, self._stop = Sink(settings), threading.Event()
        self._sink.start()
        self._thread = threading.Thread(target=lambda: self._sink.run(self._stop))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._sink.close()


@pytest.fixture
def world(settings):
    world = World(settings.model_copy(update={"partitions": 2}))
    yield world
    world.close()


@pytest.fixture
def start_sink(world):
    running = []

    def start():
        running.append(Running(world.settings))
        return running[-1]

    yield start
    for one in running:
        if one._thread.is_alive():
            one.stop()


def until(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_new_results_do_not_wait_for_old_ones_to_be_set_aside(world, start_sink):
    old = world.id()
    sink = start_sink()
    world.publish(*(world.record(offset, old) for offset in range(6)))
    until(lambda: world.documents.count_documents({}) == 6)

    world.make_anew(world.topic)
    new = world.id()
    assert new != old
    failed = world.record(0, new, Status.FAILED)
    world.publish(failed, world.record(1, old, frame_id=99), world.record(2, new), world.record(9, old))
    until(lambda: world.ids() == sorted(["0", "2", *(f"{offset}@{old}" for offset in (0, 1, 2, 3, 4, 5, 9))]))
    assert world.results.get(failed.source) == failed, "a failure of the new log is seen"
    assert world.results.get(failed.source, old) == world.record(0, old)
    assert world.results.get(SourceOffset(world.topic, 0, 1), old).frame_id == 99
    sink.stop()
    known = SourceLogs(world.client, world.settings).get([world.topic])[world.topic]
    assert (known.log_id, known.first, known.settled) == (new, old, True)


def test_what_was_stored_before_there_were_ids_is_of_the_first_log(world, start_sink):
    world.results.replace_many([world.record(0, None), world.record(1, None)])
    world.documents.update_many({}, {"$unset": {"log_id": "", "expires_at": "", "received_at": ""}})
    sink, old = start_sink(), world.id()
    world.publish(world.record(1, old, frame_id=7), world.record(2, None))
    until(lambda: world.documents.count_documents({}) == 3)
    assert world.results.get(SourceOffset(world.topic, 0, 1)).frame_id == 7
    assert world.results.get(SourceOffset(world.topic, 0, 2)).log_id == old
    sink.stop()

    world.make_anew(world.topic)  # while no sink runs
    start_sink()
    until(lambda: world.ids() == [f"{offset}@{old}" for offset in range(3)])
    world.publish(world.record(0, world.id()))
    until(lambda: "0" in world.ids())


def test_two_sinks_and_a_topic_that_is_made_again_twice(world, start_sink):
    sinks = [start_sink(), start_sink()]
    ids = []
    for number in range(3):
        ids.append(world.id())
        for partition in (0, 1):
            at = [replace(world.record(n, ids[-1]), source=SourceOffset(world.topic, partition, n)) for n in range(5)]
            world.publish(*at, partition=partition)
        until(lambda count=10 * (number + 1): world.documents.count_documents({}) == count)
        if number < 2:
            world.make_anew(world.topic)
    places = [f"{world.topic}/{partition}/{n}" for partition in (0, 1) for n in range(5)]
    expected = sorted([*places, *(f"{place}@{log_id}" for place in places for log_id in ids[:2])])
    until(lambda: sorted(one["_id"] for one in world.documents.find({}, {"_id": 1})) == expected)
    for sink in sinks:
        sink.stop()


def _set_aside_slowly(settings: Settings, old: str, new: str) -> None:
    client = connect(settings)
    while Results(client, settings).set_aside(settings.topic_frames, new, old, 25):
        pass
    client.close()


def test_setting_aside_survives_kill_9_at_any_point(world):
    """Kills after random times, each in the middle of what the last one left."""
    old, new, count = world.id(), "the-next", 3000
    world.results.replace_many([world.record(offset, old) for offset in range(count)])
    spawn = multiprocessing.get_context("fork")
    for number in range(8):
        process = spawn.Process(target=_set_aside_slowly, args=(world.settings, old, new))
        process.start()
        process.join(0.15 + 0.05 * number)
        process.kill()
        process.join()
        left, aside = (world.documents.count_documents({"_id": {"$regex": there}}) for there in ("/[0-9]+$", "@"))
        assert count <= left + aside <= count + 25, "copies of one part at most are there twice"
    assert 0 < world.documents.count_documents({"_id": {"$regex": "@"}})
    _set_aside_slowly(world.settings, old, new)
    assert world.ids() == sorted(f"{offset}@{old}" for offset in range(count))


@pytest.mark.acts("retention_days")
def test_the_retention_of_a_camera_is_on_what_is_stored_and_on_what_comes(world, start_sink):
    cameras, old = Cameras(world.client, world.settings), world.id()
    cameras.put(Camera("hall", retention_days=3.0))
    world.results.replace_many([world.record(0, old), world.record(1, old, camera_id="hall")])
    start_sink()
    world.publish(world.record(2, old, camera_id="hall"))

    def days(camera_id):
        found = world.documents.find({"camera_id": camera_id})
        return {(one["expires_at"] - one["detected_at"]).total_seconds() / 86_400 for one in found}

    until(lambda: (days("gate-1"), days("hall")) == ({30}, {3}))
    cameras.put(Camera("gate-1", retention_days=1.0))
    started = time.monotonic()
    until(lambda: days("gate-1") == {1})
    assert time.monotonic() - started < 30
    world.publish(world.record(3, old))
    until(lambda: world.documents.count_documents({"camera_id": "gate-1"}) == 2)
    assert days("gate-1") == {1}
    cameras.delete("hall")
    until(lambda: days("hall") == {30})


def test_what_mongodb_never_takes_goes_to_the_dead_letters_and_holds_nothing_up(world, start_sink):
    def refused():
        return REGISTRY.get_sample_value("crowdwatch_sink_refused_total", {"reason": "database"})

    base, before = world.client[world.settings.mongodb_database], refused()
    base.create_collection("DetectedFaces", validator={"frame_id": {"$ne": 1}})
    start_sink()
    world.publish(*(world.record(offset, world.id()) for offset in range(3)))
    until(lambda: world.documents.count_documents({}) == 2)
    until(lambda: refused() == before + 1)
    letter = _only_record(world.settings, world.settings.topic_dead)
    assert json.loads(letter.value)["frame_id"] == 1
    assert b"failed validation" in dict(letter.headers)["error"]


def _only_record(settings: Settings, topic: str):
    consumer = KafkaConsumer(topic, **common_config(settings, "test") | {"auto_offset_reset": "earliest"})
    found = []
    until(lambda: found.extend(r for batch in consumer.poll(200).values() for r in batch) or found)
    consumer.close()
    [record] = found
    return record
