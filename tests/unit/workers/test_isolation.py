"""A frame in a process of its own: whatever becomes of that process, there is a result."""

import sys
import time
from datetime import datetime, timezone

import cv2
import psutil
import pytest
from skimage.data import astronaut

from contracts.errors import UnavailableError
from contracts.faces import ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from settings import Settings
from workers.camera_detection import CameraDetection
from workers.isolation import Isolator

AT = datetime(2026, 11, 23, tzinfo=timezone.utc)
MODEL = ModelInfo("m", "1", 0.5)
HOW = {
    "gate": CameraDetection("m", 0.5),
    "heads": CameraDetection("h", 0.7, ("head",)),
    "late": CameraDetection("m", 0.5, max_age_ms=10),
}
CHILD = """
import datetime, json, os, struct, sys, time
from contracts.faces import FacesRecord, ImageSize, SourceOffset, Status

def say(message):
    sys.stdout.buffer.write(struct.pack(">Q", len(message)) + message)
    sys.stdout.buffer.flush()

at, served = datetime.datetime.now(datetime.timezone.utc), 0
say(b"")
while head := sys.stdin.buffer.read(8):
    how, _, picture = sys.stdin.buffer.read(struct.unpack(">Q", head)[0]).partition(b"\\n")
    how = json.loads(how)
    served += 1
    if picture == b"crash": os.kill(os.getpid(), 11)
    if picture == b"leave": os._exit(3)
    if picture == b"raise": raise MemoryError("no more")
    if picture == b"sleep": time.sleep(60)
    if picture == b"second" and served > 1: os._exit(4)
    if picture == b"rubbish": say(b"rubbish")
    elif picture == b"empty": say(b"{}")
    elif picture == b"how":
        error = f"{sys.argv[1]} {how['model']} {how['confidence']} {how['classes']} {served}"
        say(FacesRecord(SourceOffset("x", 0, 0), "x", 0, at, at, Status.FAILED, error=error).encode())
    else:
        image = ImageSize(len(picture), served)
        say(FacesRecord(SourceOffset("x", 0, 0), "x", 0, at, at, Status.OK, image=image).encode())
"""


@pytest.fixture
def isolator():
    before = set(psutil.Process().children(recursive=True))
    isolator = Isolator(
        Settings(isolation_timeout_s=1.0), HOW.__getitem__, lambda _: MODEL, (sys.executable, "-c", CHILD)
    )
    yield isolator
    isolator.close()
    assert set(psutil.Process().children(recursive=True)) <= before


def _frame(picture, camera_id="gate", **changes):
    return Frame(SourceOffset("frames", 1, 2), camera_id, 3, AT, picture, AT, **changes)


def test_a_child_serves_frame_after_frame_and_each_keeps_its_identity(isolator):
    big = bytes(3_000_000)
    results = [isolator.run(_frame(picture)) for picture in (b"a", big)]
    assert [(result.status, result.image.width, result.image.height) for result in results] == [
        (Status.OK, 1, 1),
        (Status.OK, len(big), 2),
    ]
    for result in results:
        assert (str(result.source), result.camera_id, result.frame_id) == ("frames/1/2", "gate", 3)
        assert (result.received_at, result.origin) == (AT, None)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (b"crash", "SIGSEGV"),
        (b"leave", "exit code 3"),
        (b"raise", "MemoryError: no more"),
        (b"sleep", "no result within 1 s"),
        (b"rubbish", "gave no result"),
        (b"empty", "gave no result"),
    ],
)
def test_a_child_that_dies_is_the_frames_failure(isolator, picture, reason):
    for _ in range(2):  # in a new child, and in one that has served others
        result = isolator.run(_frame(picture))
        assert result.status is Status.FAILED
        assert reason in result.error
        assert isolator.run(_frame(b"good")).status is Status.OK


def test_a_child_that_has_served_others_is_not_believed(isolator):
    assert isolator.run(_frame(b"first")).status is Status.OK
    result = isolator.run(_frame(b"second"))
    assert (result.status, result.image.height) == (Status.OK, 1), "a new child took it"


def test_a_child_that_cannot_start_is_not_the_frames_fault():
    isolator = Isolator(
        Settings(), HOW.__getitem__, lambda _: MODEL, (sys.executable, "-c", "raise SystemExit('no model')")
    )
    with pytest.raises(UnavailableError, match="no model"):
        isolator.run(_frame(b"good"))
    isolator.close()


def test_closing_ends_a_child_that_hangs(isolator):
    isolator.run(_frame(b"good"))
    started = time.monotonic()
    isolator.close()
    assert time.monotonic() - started < 5


def test_a_frame_that_is_too_old_is_not_tried(isolator):
    assert isolator.run(_frame(b"crash", max_age_ms=10)).status is Status.SKIPPED
    assert isolator.run(_frame(b"crash", "late")).status is Status.SKIPPED, "its camera's limit"


def test_a_child_is_told_how_its_camera_is_detected_and_holds_one_model(isolator):
    asked = [isolator.run(_frame(b"how", camera)).error for camera in ("gate", "gate", "heads", "gate")]
    assert asked == ["m m 0.5 None 1", "m m 0.5 None 2", "h h 0.7 ['head'] 1", "m m 0.5 None 1"]


def test_the_real_child_detects_as_each_camera_asks(tmp_path):
    settings = Settings(cache_dir=tmp_path, runtime="onnxruntime")
    how = {
        "gate": CameraDetection(settings.model, 0.5),
        "strict": CameraDetection(settings.model, 0.99),
        "heads": CameraDetection(settings.model, 0.5, ("head",)),
        "lost": CameraDetection("no-such-model", 0.5),
    }
    portrait = cv2.imencode(".png", cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR))[1].tobytes()
    isolator = Isolator(settings, how.__getitem__, lambda _: None)
    results = {camera: isolator.run(_frame(portrait, camera)) for camera in how}
    isolator.close()
    assert [len(results[camera].faces) for camera in how] == [1, 0, 0, 0]
    assert (results["strict"].model.name, results["strict"].model.confidence_threshold) == (settings.model, 0.99)
    assert "none of the camera's classes head" in results["heads"].error
    assert "unknown model 'no-such-model'" in results["lost"].error
