"""The analytics role as a process: walkers in, events and occupancy out; kills, sharing, settings, silence, venues."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pymongo
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from contracts.cameras import Camera
from contracts.times import to_rfc3339
from messaging.admin import ensure_topics
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect
from tests.integration.workers.conftest import Fleet

WAIT_S = 60
HALL = {
    "name": "hall",
    "polygon": [[0.2, 0], [0.8, 0], [0.8, 1], [0.2, 1]],
    "roles": ["density", "restricted"],
    "limit": 1,
}
DOOR = {"name": "door", "from": [0.5, 0], "to": [0.5, 1], "venue": "Arena"}
FPS = 5


def walkers(camera_id: str, seconds: int, start: datetime, first: int = 0) -> Iterator[bytes]:
    """One walks to the left from second 5, one to the right from second 35, then nobody is there."""
    for frame_id in range(first, first + FPS * seconds):
        at_s = (frame_id - first) / FPS
        ways = ((1.05 - (at_s - 5) * 0.05, 0.3), (-0.05 + (at_s - 35) * 0.05, 0.7))
        faces = [(x, y) for x, y in ways if 0 < x < 1]
        at = to_rfc3339(start + timedelta(seconds=at_s))
        record: dict[str, Any] = {
            "frame_id": frame_id,
            "total_faces": len(faces),
            "faces": [
                {
                    "face_id": number,
                    "bounding_box": {"x": round(x * 1280 - 22), "y": round(y * 720 - 28), "width": 44, "height": 56},
                    "confidence": 0.9,
                }
                for number, (x, y) in enumerate(faces)
            ],
            "camera_id": camera_id,
            "captured_at": at,
            "detected_at": at,
            "image": {"width": 1280, "height": 720},
            "model": {"name": "other", "version": "1", "confidence_threshold": 0.5},
            "status": "ok",
            "error": None,
            "inference_ms": 1.0,
            "source": {"topic": "other-detector", "partition": 0, "offset": frame_id},
            "schema_version": 1,
        }
        yield json.dumps(record).encode()


def ago(seconds: float) -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=seconds)


@pytest.fixture
def database(settings: Settings) -> Iterator[Any]:
    with pymongo.MongoClient(settings.mongodb_uri, tz_aware=True) as client:
        yield client[settings.mongodb_database]
        client.drop_database(settings.mongodb_database)


@pytest.fixture
def cameras(settings: Settings) -> Iterator[Cameras]:
    client = connect(settings)
    yield Cameras(client, settings)
    client.close()


@pytest.fixture
def send(settings: Settings, foreign: KafkaProducer) -> Callable[..., None]:
    ensure_topics(settings)

    def send(camera_id: str, records: Iterator[bytes], partition: int | None = None) -> None:
        for value in records:
            foreign.send(settings.topic_faces, value, key=camera_id.encode(), partition=partition)
        foreign.flush()

    return send


def until(what: str, check: Callable[[], Any], timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.2)


def camera(camera_id: str, **fields: Any) -> Camera:
    return Camera.from_dict({"camera_id": camera_id, "zones": [HALL], "lines": [DOOR], **fields})


def kinds(database: Any, **of: Any) -> Counter[str]:
    return Counter(event["kind"] for event in database.events.find(of))


def is_done(database: Any, *camera_ids: str, crossed: int = 2) -> bool:
    return all(kinds(database, camera_id=one)["line_crossed"] == crossed for one in camera_ids)


def test_walkers_are_counted(fleet: Fleet, database: Any, cameras: Cameras, send: Any, settings: Settings) -> None:
    cameras.put(camera("gate-1"))
    start = ago(400).replace(second=0)  # one whole minute, and a part of the next
    send("gate-1", walkers("gate-1", 90, start))
    send("bare-1", walkers("bare-1", 90, start))
    fleet.start("analytics")
    until("both crossings", lambda: is_done(database, "gate-1"))
    until("both visits", lambda: kinds(database)["zone_left"] == 2)
    directions = [one["direction"] for one in database.events.find({"kind": "line_crossed"}).sort("at", 1)]
    assert directions == ["in", "out"]
    until("the venue", lambda: database.venues.count_documents({"entered": 1, "left": 1}) == 1)
    until("seconds", lambda: database.occupancy.count_documents({"of.camera_id": "bare-1"}) >= 85)
    alerts = list(database.alerts.find({"rule": "intrusion"}))
    assert len(alerts) == 1, "the second one is held back by the cool-down"
    assert alerts[0]["cleared_at"] > alerts[0]["raised_at"]
    assert database.alerts.count_documents({"rule": "density", "severity": "warning"}) == 1
    most = max(one["count"] for one in database.occupancy.find({"of": {"camera_id": "bare-1", "zone": None}}))
    assert most == 1
    assert sum(one["tracks"] for one in database.occupancy.find({"of": {"camera_id": "bare-1", "zone": None}})) == 2
    assert database.occupancy_rollups.count_documents({"camera_id": "gate-1", "span": "minute", "zone": "hall"}) == 1
    assert database.heatmaps.count_documents({"camera_id": "gate-1"}) >= 2
    assert kinds(database, camera_id="bare-1") == Counter(), "no zone, no line, no event"
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
    places = [TopicPartition(settings.topic_events, number) for number in range(settings.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning()
    published = {json.loads(one.value)["event_id"] for batch in consumer.poll(5000).values() for one in batch}
    consumer.close()
    assert published == {one["_id"] for one in database.events.find()}
    assert fleet.stop() == {"analytics": 0}


def test_zones_changed_on_the_way(fleet: Fleet, database: Any, cameras: Cameras, send: Any) -> None:
    cameras.put(camera("gate-1", zones=[]))
    start = ago(400)
    send("gate-1", walkers("gate-1", 30, start))
    fleet.start("analytics")
    until("a crossing", lambda: is_done(database, "gate-1", crossed=1))
    cameras.put(camera("gate-1", lines=[]))
    until("the new settings", lambda: "settings changed" in fleet.log("analytics"))
    rest = list(walkers("gate-1", 90, start))[30 * FPS :]
    send("gate-1", iter(rest))
    until("a visit", lambda: kinds(database)["zone_left"] == 1)
    assert kinds(database)["line_crossed"] == 1


def test_a_camera_that_falls_silent_is_offline_until_it_comes_back(
    fleet: Fleet, database: Any, cameras: Cameras, send: Any
) -> None:
    fleet.settings = fleet.settings.model_copy(update={"camera_offline_s": 3})
    fleet.start("analytics")
    fleet.wait_for("owning partitions", "analytics")
    send("gate-1", walkers("gate-1", 4, ago(4)))
    send("old-1", walkers("old-1", 4, ago(400)))
    until("offline", lambda: kinds(database, camera_id="gate-1")["camera_offline"] == 1)
    until("an alert", lambda: database.alerts.count_documents({"rule": "camera_offline", "cleared_at": None}) == 1)
    send("gate-1", walkers("gate-1", 2, ago(2), first=100))
    until("online", lambda: kinds(database, camera_id="gate-1")["camera_online"] == 1)
    until("no alert", lambda: database.alerts.count_documents({"rule": "camera_offline", "cleared_at": None}) <= 1)
    assert kinds(database, camera_id="old-1") == Counter(), "who plays old pictures is not live"


def test_a_silent_camera_that_is_removed_is_told_anew_when_it_is_put_back(
    fleet: Fleet, database: Any, cameras: Cameras, send: Any
) -> None:
    fleet.settings = fleet.settings.model_copy(update={"camera_offline_s": 3})
    cameras.put(Camera("gate-1"))
    fleet.start("analytics")
    fleet.wait_for("owning partitions", "analytics")
    send("gate-1", walkers("gate-1", 4, ago(4)))

    def alerts() -> list[bool]:
        return [one["cleared_at"] is None for one in database.alerts.find().sort("raised_at")]

    until("an alert", lambda: alerts() == [True])
    cameras.delete("gate-1")
    until("no open alert", lambda: alerts() == [False])
    cameras.put(Camera("gate-1"))
    until("another alert", lambda: alerts() == [False, True])
    send("gate-1", walkers("gate-1", 2, ago(2), first=100))
    until("its end", lambda: alerts() == [False, False])


def test_a_frame_with_a_wrong_date_costs_its_camera_no_occupancy(fleet: Fleet, database: Any, send: Any) -> None:
    start, wrong = ago(400), {"even-1": 0, "ahead-1": 3600, "ahead-2": 240, "ahead-3": 30, "back-1": -3600}
    for camera_id, later_s in wrong.items():
        records = list(walkers(camera_id, 90, start))
        record = json.loads(records[20 * FPS])
        record["captured_at"] = to_rfc3339(start + timedelta(seconds=20 + later_s))
        records[20 * FPS] = json.dumps(record).encode()
        send(camera_id, iter(records))
    fleet.start("analytics")

    def seconds(camera_id: str) -> dict[datetime, int]:
        of = {"of": {"camera_id": camera_id, "zone": None}}
        return {one["at"]: one["count"] for one in database.occupancy.find(of)}

    until("seconds", lambda: min(len(seconds(camera_id)) for camera_id in wrong) >= 85)
    expected = {at: count for at, count in seconds("even-1").items() if at >= start}
    for camera_id in wrong:
        found = seconds(camera_id)
        same = sum(found.get(at) == count for at, count in expected.items())
        assert same >= 0.95 * len(expected), camera_id
        assert set(found) <= set(expected), "and none of a time that was not"


def test_a_venue_counts_over_cameras_and_processes(fleet: Fleet, database: Any, cameras: Cameras, send: Any) -> None:
    limited = fleet.settings.model_copy(update={"venue_limits": ("Arena=2",)})
    other = Fleet(limited, fleet._folder / "other")
    other._folder.mkdir()
    fleet.settings = limited
    only_in = [value for value in walkers("x", 33, ago(400))]
    for number, camera_id in enumerate(("a", "b", "c")):
        cameras.put(camera(camera_id, zones=[]))
        named = (value.replace(b'"camera_id": "x"', b'"camera_id": "%s"' % camera_id.encode()) for value in only_in)
        send(camera_id, named, partition=number)
    try:
        fleet.start("analytics")
        other.start("analytics")
        until("three went in", lambda: sum(one["entered"] for one in database.venues.find()) == 3)
        until("the level", lambda: database.events.count_documents({"kind": "capacity_level"}) >= 1)
        until("the alert", lambda: database.alerts.count_documents({"rule": "capacity", "severity": "critical"}) == 1)
        last = database.events.find({"kind": "capacity_level"}).sort("value.inside", -1)[0]
        assert (last["value"]["inside"], last["value"]["level"], last["value"]["venue"]) == (3, "over", "Arena")
    finally:
        other.stop()


def snapshot(database: Any) -> dict[str, Any]:
    """Everything that was found out, without what differs from process to process."""
    return {
        "events": sorted(database.events.find(), key=lambda one: one["_id"]),
        "alerts": sorted(database.alerts.find(), key=lambda one: one["_id"]),
        "seconds": {
            (one["of"]["camera_id"], one["of"]["zone"], one["at"]): one["count"] for one in database.occupancy.find()
        },
        "rollups": list(database.occupancy_rollups.find({}, {"version": 0}).sort("_id", 1)),
        "heats": list(database.heatmaps.find({}, {"version": 0}).sort("_id", 1)),
        "venues": list(database.venues.find({}, {"version": 0}).sort("_id", 1)),
        "checkpoints": [
            (one["_id"], one["offset"], one["state"]) for one in database.checkpoints.find().sort("_id", 1)
        ],
    }


@pytest.mark.slow
def test_kills_change_nothing(fleet: Fleet, database: Any, cameras: Cameras, send: Any, settings: Settings) -> None:
    names = ("gate-1", "gate-2", "gate-3")
    for name in names:
        cameras.put(camera(name))
    start = ago(800)
    streams = {name: list(walkers(name, 90, start)) for name in names}
    fleet.start("analytics")
    for part in range(3):
        for name, stream in streams.items():
            send(name, iter(stream[part * 150 : (part + 1) * 150]))
        fleet.wait_for("owning partitions", "analytics")
        time.sleep(0.3 + 0.3 * part)
        fleet.kill("analytics")
        (fleet._folder / "analytics.log").unlink()
        fleet.start("analytics")
    until("all crossings", lambda: is_done(database, *names))
    until("the rest", lambda: fleet.wait_for("owning partitions", "analytics") is None)
    time.sleep(6)
    assert fleet.stop() == {"analytics": 0}
    disturbed = snapshot(database)
    calm_name = f"{settings.mongodb_database}-calm"
    fleet.settings = fleet.settings.model_copy(
        update={"mongodb_database": calm_name, "group_prefix": f"{settings.group_prefix}-calm"}
    )
    calm_client = connect(fleet.settings)
    calm_cameras = Cameras(calm_client, fleet.settings)
    for name in names:
        calm_cameras.put(camera(name))
    fleet.start("analytics")
    with pymongo.MongoClient(settings.mongodb_uri, tz_aware=True) as client:
        calm = client[calm_name]
        try:
            until("all crossings", lambda: is_done(calm, *names))
            time.sleep(8)
            assert fleet.stop() == {"analytics": 0}
            expected = snapshot(calm)
        finally:
            client.drop_database(calm_name)
            calm_client.close()
    for what, found in expected.items():
        assert disturbed[what] == found, what
