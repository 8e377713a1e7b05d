"""The roles tell what they do: each metric moves while frames go through."""

import re
import time
import urllib.request

import cv2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.cameras import Camera, CameraSource
from messaging.admin import ensure_topics
from ops.ports import free_ports
from samples import CLIP
from storage.cameras import Cameras
from storage.client import connect
from tests.cameras import camera_server
from tests.integration.workers.conftest import Fleet, wait_for_count
from tests.integration.workers.test_capture_role import JPEG

FRAMES = 24
COUNTED_WITHIN_S = 10
CAPTURED_WITHIN_S = 60


@pytest.fixture
def picture() -> bytes:
    """A frame of the sample clip, as JPEG."""
    capture = cv2.VideoCapture(str(CLIP))
    _, frame = capture.read()
    capture.release()
    encoded: bytes = cv2.imencode(".jpg", cv2.resize(frame, (640, 360)))[1].tobytes()
    return encoded


def metrics_of(fleet: Fleet, role: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Ask a role for its metrics: values by name and labels."""
    fleet.wait_for("health pages on port", role)
    port = re.search(r"health pages on port (\d+)", fleet.log(role)).group(1)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def total(metrics, name, **labels):
    """Sum a metric over the labels that are not given."""
    return sum(value for (known, has), value in metrics.items() if known == name and labels.items() <= set(has))


def test_what_roles_count_is_what_went_through(fleet, documents, foreign, picture, settings):
    ensure_topics(settings)
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    for _ in range(FRAMES):
        foreign.send(settings.topic_frames, picture, key=b"gate-1").get(60)
    foreign.send(settings.topic_frames, b"no picture", key=b"gate-2").get(60)
    wait_for_count(documents, FRAMES + 1)

    sink = metrics_of(fleet, "sink")
    assert total(sink, "crowdwatch_sink_stored_total", camera="gate-1", status="ok") == FRAMES
    assert total(sink, "crowdwatch_sink_stored_total", camera="gate-2", status="failed") == 1
    assert total(sink, "crowdwatch_sink_latency_seconds_count") == FRAMES
    assert total(sink, "crowdwatch_sink_write_seconds_count") >= 1

    bridge = metrics_of(fleet, "bridge")
    assert total(bridge, "crowdwatch_bridge_tasks_total", queue="detect") >= 1
    assert ("crowdwatch_bridge_queue_length", frozenset({("queue", "detect")})) in bridge
    assert ("crowdwatch_bridge_lag", frozenset({("topic", settings.topic_frames), ("partition", "0")})) in bridge

    deadline = time.monotonic() + COUNTED_WITHIN_S  # what a pool process measures comes after its results
    while total(worker := metrics_of(fleet, "worker"), "crowdwatch_worker_frames_total") < FRAMES + 1:
        assert time.monotonic() < deadline, worker
        time.sleep(0.1)
    assert total(worker, "crowdwatch_worker_frames_total", status="ok") == FRAMES
    assert total(worker, "crowdwatch_worker_frames_total", status="failed") == 1
    assert total(worker, "crowdwatch_worker_dead_letters_total") == 1
    tasks = total(bridge, "crowdwatch_bridge_tasks_total", queue="detect")
    assert total(worker, "crowdwatch_worker_task_seconds_count") == tasks
    runtimes = {dict(has)["runtime"] for name, has in worker if name == "crowdwatch_worker_detect_seconds_count"}
    assert all(re.fullmatch(r"[a-z-]+:[a-z]+[0-9]+", runtime) for runtime in runtimes), runtimes


def live_cameras(fleet: Fleet) -> dict[str, float]:
    """Return for each camera of the capture role whether it gives frames."""
    name = "crowdwatch_capture_camera_live"
    return {dict(has)["camera"]: value for (known, has), value in metrics_of(fleet, "capture").items() if known == name}


def wait_until_cameras_are(fleet: Fleet, expected: dict[str, float]) -> None:
    deadline = time.monotonic() + CAPTURED_WITHIN_S
    while (found := live_cameras(fleet)) != expected:
        assert time.monotonic() < deadline, f"{found}, expected {expected}"
        time.sleep(0.3)


def test_capture_tells_which_cameras_give_frames_and_forgets_those_that_are_gone(fleet, settings):
    (nobody,) = free_ports(1)
    with camera_server([JPEG]) as server, connect(settings) as client:
        cameras = Cameras(client, settings)
        cameras.put(Camera("here", source=CameraSource(f"http://127.0.0.1:{server.server_port}/x", fps=5)))
        cameras.put(Camera("gone", source=CameraSource(f"http://127.0.0.1:{nobody}/x", fps=5)))
        fleet.start("capture")
        wait_until_cameras_are(fleet, {"here": 1.0, "gone": 0.0})
        assert total(metrics_of(fleet, "capture"), "crowdwatch_capture_frames_total", camera="here") > 0
        cameras.delete("gone")
        wait_until_cameras_are(fleet, {"here": 1.0})
        client.drop_database(settings.mongodb_database)
