"""`/api/cameras`: whole documents, their secrets, test pictures, and the newest picture with faces blurred."""

import threading
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

from contracts.access import Role
from contracts.clocks import CameraClock
from contracts.events import Alert, Severity
from contracts.faces import BoundingBox, Face
from contracts.frames import FrameHeaders
from contracts.times import to_rfc3339
from messaging.consumer import Follower
from storage.alerts import Alerts
from storage.camera_clocks import CameraClocks
from storage.camera_states import CameraState, CameraStates, Capturing
from storage.camera_tests import CameraTests, PictureAnswer
from storage.cameras import Cameras
from storage.client import connect
from storage.leases import CAPTURE, Leases

SECRET = "rtsp://user:s3cret@camera.example/live?key=s3cret"
MASKED = "rtsp://***@camera.example/live?key=***"
GATE = {"camera_id": "gate-1", "name": "North", "source": {"url": SECRET, "fps": 2, "enabled": True}}


@pytest.fixture
def mongo(settings):
    client = connect(settings)
    yield client
    client.close()


def test_a_document_comes_back_whole_and_without_its_secret(web, mongo, settings):
    client, stored = web.client(), Cameras(mongo, settings)
    made = client.put("/api/cameras/gate-1", json=GATE)
    assert made.status_code == 201 and "s3cret" not in made.text
    document = client.get("/api/cameras/gate-1").json
    assert document["source"] == {"url": MASKED, "fps": 2, "enabled": True, "still_fps": None, "transport": "auto"}
    assert document["retention_days"] == 30 and isinstance(document["retention_days"], int)
    changed = client.put("/api/cameras/gate-1", json={**document, "blur_faces": True})
    assert changed.status_code == 200 and changed.json == {**document, "blur_faces": True}
    assert stored.get("gate-1").source.url == SECRET
    elsewhere = {**document, "source": {"url": "rtsp://***@elsewhere.example/live"}}
    assert client.put("/api/cameras/gate-1", json=elsewhere).status_code == 400
    assert client.put("/api/cameras/hall", json={}).status_code == 201
    page = client.get("/api/cameras?limit=1").json
    assert [one["camera_id"] for one in page["items"]] == ["gate-1"]
    rest = client.get(f"/api/cameras?cursor={page['next']}").json
    assert [one["camera_id"] for one in rest["items"]] == ["hall"] and rest["next"] is None
    assert client.delete("/api/cameras/hall").status_code == 204
    assert client.delete("/api/cameras/hall").status_code == 404
    assert client.get("/api/cameras/hall").status_code == 404


def test_with_a_camera_its_open_alerts_go(web, mongo, settings):
    client, stored, log = web.client(), Alerts(mongo, settings), Follower(settings, settings.topic_alerts)
    at = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
    for camera_id in ("gate-1", "hall"):
        assert client.put(f"/api/cameras/{camera_id}", json={}).status_code == 201
    for camera_id in ("gate-1", "hall", "cellar"):
        stored.put([Alert("camera_offline", Severity.WARNING, camera_id, "sends nothing any more", camera_id, at)])
    of_a_venue = Alert("capacity", Severity.CRITICAL, "gate-1", "9 people in Arena: over", "arena", at)
    stored.put([of_a_venue])
    records = []
    with closing(log):
        log.start()
        assert client.delete("/api/cameras/cellar").status_code == 404
        assert client.delete("/api/cameras/gate-1").status_code == 204
        web.wait_until(lambda: records.extend(log.poll(100)) or records)
    (told,) = (Alert.decode(record.value) for record in records)
    assert told.camera_id == "gate-1" and told.cleared_at > at
    assert stored.open_of("gate-1") == [of_a_venue], "it is still full"
    listed = client.get("/api/alerts?kind=camera_offline").json["items"]
    cleared = {one["camera_id"]: one["cleared_at"] for one in listed}
    assert cleared == {"gate-1": to_rfc3339(told.cleared_at), "hall": None, "cellar": None}
    assert stored.put([told]) == set()
    assert stored.put([replace(told, cleared_at=told.cleared_at + timedelta(seconds=9))]) == {told.alert_id}
    (kept,) = client.get("/api/alerts?camera=gate-1&kind=camera_offline").json["items"]
    assert kept["cleared_at"] == to_rfc3339(told.cleared_at)


@pytest.mark.parametrize(
    "document, said",
    [
        ({"zonez": []}, "known are"),
        ({"zones": [{"name": "x", "polygon": [[0, 0], [2, 0], [0, 1]]}]}, "polygon[1][0]"),
        ({"camera_id": "other"}, "camera_id"),
        ({"source": {"url": "/etc/passwd"}}, "begin with"),
        ({"source": {"url": "concat:a|b"}}, "begin with"),
        ([], "object"),
    ],
)
def test_what_is_wrong_is_said(web, document, said):
    answer = web.client().put("/api/cameras/gate-1", json=document)
    assert answer.status_code == 400 and said in answer.json["error"]["message"]


def test_the_capture_role_answers_tests_and_tells_states(web, mongo, settings):
    client, tests = web.client(), CameraTests(mongo, settings)
    client.put("/api/cameras/gate-1", json=GATE)
    assert client.post("/api/cameras/test", json={"url": SECRET}).status_code == 409, "nobody captures"
    Leases(mongo, settings, CAPTURE, "test", 60).acquire("test")
    asked = []

    def capture() -> None:
        while (question := tests.claim()) is None:
            pass
        asked.append(question[1])
        tests.answer(question[0], PictureAnswer(b"\xff\xd8\xff", None))

    thread = threading.Thread(target=capture)
    thread.start()
    answer = client.post("/api/cameras/test", json={"url": MASKED, "camera_id": "gate-1"})
    thread.join()
    assert (answer.status_code, answer.data, asked) == (200, b"\xff\xd8\xff", [SECRET])
    assert client.post("/api/cameras/test", json={"url": "file.m3u8"}).status_code == 400
    [state] = client.get("/api/camera-states").json["items"]
    assert (state["camera_id"], state["state"]) == ("gate-1", "unknown")
    now = datetime.now(timezone.utc)
    CameraStates(mongo, settings).put_many([CameraState("gate-1", Capturing.OFFLINE, now, now, "no answer in time")])
    [state] = client.get("/api/camera-states").json["items"]
    assert (state["state"], state["error"]) == ("offline", "no answer in time")


@pytest.mark.acts("blur_faces")
def test_the_newest_picture_is_blurred_where_it_must_be(web, producer, detector, settings):
    client = web.client()
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    assert client.get("/api/cameras/gate-1/snapshot").status_code == 404
    source = producer.send_frame(settings.topic_frames, "gate-1", jpeg, FrameHeaders()).result(10)
    box = BoundingBox(40, 30, 32, 32)
    detector.store(replace(detector.result(source), faces=(Face(0, box, 0.9),)))
    second = web.app.test_client()  # the first look is remembered for a second
    web.services.previews._looked_up.clear()
    shown = second.get("/api/cameras/gate-1/snapshot")
    assert shown.status_code == 200 and shown.data == jpeg and shown.headers["X-Frame"] == str(source)
    again = second.get("/api/cameras/gate-1/snapshot", headers={"If-None-Match": shown.headers["ETag"]})
    assert again.status_code == 304
    record = web.services.frames.find(source)
    for preview in (
        web.services.previews.of_record(record, Role.VIEWER),
        web.services.previews.of(source, Role.VIEWER),
    ):
        pixels = cv2.imdecode(np.frombuffer(preview.data, np.uint8), cv2.IMREAD_COLOR)
        assert pixels[32:60, 42:70].std() < noise[32:60, 42:70].std() / 2, "the face is blurred"
        assert pixels[:20].std() > 40, "the rest is not"
    client.put("/api/cameras/gate-1", json={"blur_faces": True})
    web.services.previews._rules_s = -10
    blurred = second.get("/api/cameras/gate-1/snapshot", headers={"If-None-Match": shown.headers["ETag"]})
    assert blurred.status_code == 200 and blurred.data != jpeg
    assert second.get(f"/api/frames/{source}/picture").data == blurred.data


def test_the_clocks_of_cameras_are_shown(web, mongo, settings):
    client = web.client()
    assert client.get("/api/camera-clocks").json == {"items": [], "next": None}
    at = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)
    clocks = CameraClocks(mongo, settings)
    clocks.put([CameraClock("gate-2", 70.5, at), CameraClock("gate-1", 3.0, at), CameraClock("gate-1", -7200.25, at)])
    assert client.get("/api/camera-clocks").json["items"] == [
        {"camera_id": "gate-1", "skew_s": -7200.25, "measured_at": "2026-11-23T21:30:00.000Z"},
        {"camera_id": "gate-2", "skew_s": 70.5, "measured_at": "2026-11-23T21:30:00.000Z"},
    ]
