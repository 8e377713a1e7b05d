"""Each camera's model, classes and threshold, through real processes and without a restart."""

import time
from dataclasses import dataclass

import cv2
import psutil
import pymongo
import pytest
from kafka import KafkaProducer
from msgspec.structs import replace

from contracts.cameras import Camera
from contracts.frames import FrameHeaders
from detection.model_store import import_cfg
from messaging.admin import ensure_topics
from samples import CLIP
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect
from tests.integration.workers.conftest import Fleet, wait_for_count
from tests.unit.detection.darknet_files import write_two_classes


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A frame of the sample clip that shows faces, as JPEG."""
    capture = cv2.VideoCapture(str(CLIP))
    for _ in range(40):
        _, frame = capture.read()
    capture.release()
    return cv2.imencode(".jpg", frame)[1].tobytes()


@dataclass
class Site:
    """A fleet with cameras, and a producer that sends them pictures."""

    fleet: Fleet
    cameras: Cameras
    documents: "pymongo.collection.Collection"
    producer: KafkaProducer
    topic: str
    picture: bytes

    def send(self, camera_id: str, count: int = 1, **headers: int) -> None:
        for _ in range(count):
            encoded = FrameHeaders(**headers).encode()
            self.producer.send(self.topic, self.picture, key=camera_id.encode(), headers=encoded, partition=0).get(60)

    def newest(self, camera_id: str) -> dict:
        """Send a picture, and return its document."""
        before = self.documents.count_documents({"camera_id": camera_id})
        self.send(camera_id)
        deadline = time.monotonic() + 60
        while self.documents.count_documents({"camera_id": camera_id}) == before:
            assert time.monotonic() < deadline, f"no document of {camera_id}"
            time.sleep(0.02)
        return self.documents.find_one({"camera_id": camera_id}, sort=[("source.offset", -1)])

    def shows(self, camera_id: str, within_s: float, **wanted: object) -> dict:
        """Send pictures until a document has the wanted fields, and return it."""
        deadline = time.monotonic() + within_s
        while True:
            found = self.newest(camera_id)
            found["name"] = found["model"] and found["model"]["name"]
            if all(found[key] == value for key, value in wanted.items()):
                return found
            assert time.monotonic() < deadline, f"not {wanted} within {within_s} s, but {found}"


@pytest.fixture
def site(fleet, documents, foreign, picture, settings: Settings, tmp_path):
    fleet.settings = fleet.settings.model_copy(update={"runtime": "onnxruntime", "models_loaded": 2})
    import_cfg(write_two_classes(tmp_path, "two", ("person", "bag")), None, fleet.settings.cache_dir)
    ensure_topics(settings)
    client = connect(settings)
    yield Site(fleet, Cameras(client, settings), documents, foreign, settings.topic_frames, picture)
    client.close()


@pytest.mark.acts("model", "classes", "confidence_threshold", "max_age_ms")
def test_every_camera_is_detected_by_its_own_document_at_once(site: Site) -> None:
    for camera in (
        Camera("plain"),
        Camera("usual", model="two"),
        Camera("bags", model="two", classes=("bag",), confidence_threshold=0.3),
        Camera("strict", confidence_threshold=0.99),
        Camera("lost", model="no-such-model"),
        Camera("late", max_age_ms=1),
    ):
        site.cameras.put(camera)
    site.fleet.start("bridge", "worker", "sink")
    site.fleet.wait_for("owning partitions", "bridge")
    names = ("plain", "usual", "bags", "strict", "lost", "late", "unknown")
    for _ in range(6):
        for name in names:
            site.send(name)
    wait_for_count(site.documents, 6 * len(names))

    faces = site.documents.find_one({"camera_id": "plain"})["total_faces"]
    assert faces > 2
    expected = {
        "plain": ("ok", "yolov3-face-lite", 0.5, faces),
        "usual": ("ok", "two", 0.5, 0),
        "bags": ("ok", "two", 0.3, None),
        "strict": ("ok", "yolov3-face-lite", 0.99, 0),
        "unknown": ("ok", "yolov3-face-lite", 0.5, faces),
    }
    for name, (status, model, threshold, total) in expected.items():
        for document in site.documents.find({"camera_id": name}):
            assert (document["status"], document["model"]["name"]) == (status, model), name
            assert document["model"]["confidence_threshold"] == threshold
            assert total is None or document["total_faces"] == total, name
    assert {face["class"] for face in site.documents.find_one({"camera_id": "bags"})["faces"]} == {"bag"}
    assert site.documents.count_documents({"camera_id": "late", "status": "skipped"}) == 6
    for document in site.documents.find({"camera_id": "lost"}):
        assert document["status"] == "failed"
        assert "unknown model 'no-such-model'; known: two, yolov3-face" in document["error"]

    processes = set(psutil.Process(site.fleet.pid("worker")).children(recursive=True))
    site.cameras.put(Camera("plain", confidence_threshold=0.99))
    site.shows("plain", 5, total_faces=0)
    site.cameras.put(Camera("strict"))
    site.shows("strict", 5, total_faces=faces)
    site.cameras.put(Camera("plain", model="two", classes=("bag",)))
    site.shows("plain", 10, total_faces=faces, name="two")
    site.cameras.delete("plain")
    site.shows("plain", 5, total_faces=faces, name="yolov3-face-lite")
    site.cameras.put(Camera("late"))
    site.shows("late", 5, status="ok")
    site.cameras.put(replace(Camera("late"), classes=("head",)))
    assert "none of the camera's classes head" in site.shows("late", 5, status="failed")["error"]
    assert set(psutil.Process(site.fleet.pid("worker")).children(recursive=True)) == processes, "nothing was restarted"
