"""Cameras in a real MongoDB."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from pymongo import MongoClient

from contracts.cameras import Camera, CameraSource, LineSettings, ZoneSettings
from settings import Settings
from storage.cameras import CameraChanges, Cameras, CamerasFollower
from storage.client import connect

GATE = Camera(
    "gate-1",
    name="North gate",
    source=CameraSource("rtsp://user:word@camera/live", 2.0),
    zones=(ZoneSettings("hall", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),),
    lines=(LineSettings("door", (0.5, 0.0), (0.5, 1.0)),),
    time_zone="Europe/Berlin",
)
HALL = Camera("hall")


@pytest.fixture
def client(settings: Settings) -> Iterator[MongoClient]:
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


@pytest.fixture
def cameras(client: MongoClient, settings: Settings) -> Cameras:
    return Cameras(client, settings)


def test_a_camera_comes_back_as_it_was_put(cameras: Cameras) -> None:
    assert cameras.get("gate-1") is None
    assert cameras.put(GATE)
    assert cameras.get("gate-1") == GATE
    renamed = replace(GATE, name="South gate", zones=())
    assert not cameras.put(renamed)
    assert cameras.get("gate-1") == renamed
    assert cameras.delete("gate-1")
    assert not cameras.delete("gate-1")
    assert cameras.get("gate-1") is None


def test_the_list_is_read_in_pages(cameras: Cameras) -> None:
    for name in ("c", "a", "b"):
        cameras.put(Camera(name))
    assert [camera.camera_id for camera in cameras.page()] == ["a", "b", "c"]
    assert [camera.camera_id for camera in cameras.page(limit=2)] == ["a", "b"]
    assert [camera.camera_id for camera in cameras.page(limit=2, after="b")] == ["c"]


def test_a_follower_tells_what_has_changed(cameras: Cameras) -> None:
    cameras.put(GATE)
    follower = CamerasFollower(cameras)
    nothing = CameraChanges({}, frozenset())
    assert follower.poll() == CameraChanges({"gate-1": GATE}, frozenset())
    assert follower.poll() == nothing
    cameras.put(HALL)
    assert follower.poll() == CameraChanges({"hall": HALL}, frozenset())
    off = replace(GATE, source=replace(GATE.source, enabled=False))
    cameras.put(off)
    cameras.delete("hall")
    assert follower.poll() == CameraChanges({"gate-1": off}, frozenset({"hall"}))
    cameras.delete("gate-1")
    cameras.put(GATE)
    assert follower.poll() == CameraChanges({"gate-1": GATE}, frozenset()), "removed and made again between two looks"
    assert follower.poll() == nothing


def test_what_is_no_camera_holds_up_no_other(cameras: Cameras, client: MongoClient, settings: Settings) -> None:
    client[settings.mongodb_database].cameras.insert_one({"_id": "odd", "zones": []})
    cameras.put(HALL)
    assert cameras.get("odd") is None
    assert cameras.page() == [HALL]
    follower = CamerasFollower(cameras)
    assert follower.poll().changed == {"hall": HALL}
    assert follower.poll().changed == {}


def test_a_part_that_cannot_act_takes_no_camera_away(
    cameras: Cameras, client: MongoClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    flat = {"image": [[0, 0], [0.5, 0.5], [1, 1], [0, 1]], "metres": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    bowtie = {"name": "bowtie", "polygon": [[0, 0], [1, 1], [1, 0], [0, 0.9]]}
    stored = GATE.to_dict() | {"ground_plane": flat, "zones": [*GATE.to_dict()["zones"], bowtie], "colour": "red"}
    client[settings.mongodb_database].cameras.insert_one({"_id": "gate-1"} | stored)
    assert CamerasFollower(cameras).poll().changed == {"gate-1": GATE}
    for part in ("ground_plane", "bowtie", "colour"):
        assert part in caplog.text
