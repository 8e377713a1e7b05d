"""Pictures of alerts: taken from the log once, smaller, blurred where the camera says so, and never lost to a kill."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import cv2
import numpy as np
import pymongo
import pytest

from contracts.cameras import Camera
from contracts.events import Alert, Event, EventKind, Severity
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.offsets import SourceOffset
from detection import decode_picture
from messaging.admin import ensure_topics
from messaging.producer import Producer
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect
from storage.results import Results
from storage.snapshots import Snapshots
from workers.analytics.delivery import Delivery
from workers.analytics.outputs import Outputs
from workers.analytics.snapshots import SnapshotTaker

NOW = datetime.now(timezone.utc).replace(microsecond=0)
FACE = BoundingBox(800, 400, 400, 400)


@dataclass
class Scene:
    """What an alert's way to its picture needs."""

    client: Any
    settings: Settings
    producer: Producer
    delivery: Delivery
    snapshots: Snapshots

    def frame(self) -> SourceOffset:
        """Send a picture of noise, twice as wide as is kept."""
        noise = np.random.default_rng(1).integers(0, 255, (1440, 2560, 3), np.uint8)
        jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
        return self.producer.send(self.settings.topic_frames, jpeg, key=b"gate-1").result(10)

    def raise_alert(self, source: SourceOffset, track_id: int = 1) -> Alert:
        """Deliver an alert of the frame."""
        event = Event(EventKind.INTRUSION, "gate-1", NOW, source, zone="hall", track_id=track_id)
        alert = Alert("intrusion", Severity.CRITICAL, "gate-1", "Somebody is in hall", event.event_id, NOW, zone="hall")
        self.delivery.deliver([(1, Outputs(events=[event], alerts=[alert]))], again=False)
        self.delivery.deliver([(1, Outputs(events=[event], alerts=[alert]))], again=True)
        return alert

    def store_result(self, source: SourceOffset, status: Status = Status.OK) -> None:
        """Store the frame's result, with one face."""
        record = FacesRecord(
            source=source,
            camera_id="gate-1",
            frame_id=1,
            captured_at=NOW,
            detected_at=NOW,
            status=Status.OK,
            faces=(Face(0, FACE, 0.9),),
            image=ImageSize(2560, 1440),
            model=ModelInfo("other", "1", 0.5),
            inference_ms=1.0,
        )
        if status is Status.FAILED:
            record = replace(record, status=status, faces=(), error="broken")
        Results(self.client, self.settings).replace_many([record])

    def take(self, after_s: float = 0) -> bool:
        """Take what is due after some seconds, with a taker that knows of nothing before."""
        taker = SnapshotTaker(
            self.client, self.settings, lambda: datetime.now(timezone.utc) + timedelta(seconds=after_s)
        )
        try:
            return taker.take_due()
        finally:
            taker._disconnect()


@pytest.fixture
def scene(settings: Settings) -> Iterator[Scene]:
    ensure_topics(settings)
    client, producer = connect(settings), Producer(settings)
    producer.start()
    delivery, snapshots = Delivery(client, producer, settings), Snapshots(client, settings)
    delivery.ensure_indexes()
    yield Scene(client, settings, producer, delivery, snapshots)
    producer.close()
    client.close()
    with pymongo.MongoClient(settings.mongodb_uri) as reader:
        reader.drop_database(settings.mongodb_database)


def flatness(jpeg: bytes, box: BoundingBox) -> float:
    """How little neighbouring pixels differ within a box."""
    pixels = decode_picture(jpeg, max_pixels=10**7).pixels
    part = pixels[box.y : box.y + box.height, box.x : box.x + box.width].astype(float)
    return float(np.abs(np.diff(part, axis=1)).mean())


@pytest.mark.parametrize("blurred", [False, True])
def test_the_picture_of_an_alert_is_kept(scene: Scene, blurred: bool) -> None:
    Cameras(scene.client, scene.settings).put(Camera("gate-1", blur_faces=blurred))
    source = scene.frame()
    alert = scene.raise_alert(source)
    scene.store_result(source)
    assert scene.take()
    assert not scene.take(), "it was asked for once, although it was delivered twice"
    kept = scene.snapshots.get(alert.alert_id)
    assert kept is not None
    picture = decode_picture(kept.jpeg, max_pixels=10**7)
    assert (picture.width, picture.height) == (1280, 720)
    assert kept.boxes == (BoundingBox(400, 200, 200, 200),)
    assert kept.blurred is blurred
    assert (flatness(kept.jpeg, kept.boxes[0]) < 5) is blurred
    assert flatness(kept.jpeg, BoundingBox(0, 0, 200, 100)) > 5


def test_a_picture_waits_for_the_result_of_its_frame(scene: Scene) -> None:
    source = scene.frame()
    alert = scene.raise_alert(source)
    assert scene.take()
    assert scene.snapshots.get(alert.alert_id) is None
    assert not scene.take(), "due later"
    scene.store_result(source)
    assert scene.take(after_s=11)
    assert scene.snapshots.get(alert.alert_id) is not None
    assert not scene.take(after_s=60)


def test_what_has_no_picture_is_given_up(scene: Scene) -> None:
    source = scene.frame()
    alert = scene.raise_alert(source)
    scene.store_result(source, Status.FAILED)
    assert scene.take()
    assert not scene.take(after_s=60)
    assert scene.snapshots.get(alert.alert_id) is None
    late = scene.raise_alert(scene.frame(), track_id=2)
    assert not scene.take(after_s=4000), "asked for too long ago"
    assert scene.snapshots.get(late.alert_id) is None
    scene.raise_alert(SourceOffset("other-detector", 0, 1), track_id=3)
    assert scene.client[scene.settings.mongodb_database].snapshots.count_documents({}) == 2
