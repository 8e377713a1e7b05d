"""A frame in a process of its own: whatever becomes of that process, there is a result."""

import sys
from datetime import datetime, timezone

import pytest

from contracts.faces import ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from settings import Settings
from workers.isolation import Isolator

AT = datetime(2026, 11, 23, tzinfo=timezone.utc)
MODEL = ModelInfo("m", "1", 0.5)
GOOD = (
    "import sys, datetime as dt; from contracts.faces import FacesRecord, ImageSize, SourceOffset, Status;"
    "at = dt.datetime.now(dt.timezone.utc);"
    "size = len(sys.stdin.buffer.read());"
    "record = FacesRecord(SourceOffset('x', 0, 0), 'x', 0, at, at, Status.OK, image=ImageSize(size, 1));"
    "sys.stdout.buffer.write(record.encode())"
)


def _run(code, **changes):
    isolator = Isolator(Settings(isolation_timeout_s=2.0), MODEL, (sys.executable, "-c", code))
    frame = Frame(SourceOffset("frames", 1, 2), "gate", 3, AT, b"picture", **changes)
    return isolator.run(frame)


def test_a_child_that_lives_gives_the_result_and_the_frame_keeps_its_identity():
    result = _run(GOOD)
    assert (result.status, result.image.width, result.model) == (Status.OK, len(b"picture"), None)
    assert (str(result.source), result.camera_id, result.frame_id) == ("frames/1/2", "gate", 3)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("import os; os._exit(3)", "exit code 3"),
        ("raise MemoryError('no more')", "MemoryError: no more"),
        ("import time; time.sleep(60)", "no result within 2 s"),
        ("print('{}')", "printed no result"),
        ("print('rubbish')", "printed no result"),
    ],
)
def test_a_child_that_dies_is_the_frames_failure(code, reason):
    result = _run(code)
    assert result.status is Status.FAILED
    assert reason in result.error


def test_a_frame_that_is_too_old_is_not_tried():
    assert _run("raise SystemExit(1)", max_age_ms=10).status is Status.SKIPPED
