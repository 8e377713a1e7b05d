"""What pool processes measure is counted in the main process, whatever happens to them."""

import os
import signal

import pytest
from prometheus_client import REGISTRY

from contracts.faces import FacesRecord, Status
from contracts.offsets import OffsetRange, SourceOffset
from contracts.times import from_rfc3339
from messaging.records import LogRecord
from workers.measurements import Measurement, Measurements
from workers.outcomes import Outcome

AT = from_rfc3339("2026-11-23T21:30:00.000Z")


def outcome(offset: int, status: Status, inference_ms: float | None = None, *, dead: bool = False) -> Outcome:
    source = SourceOffset("frames", 0, offset)
    result = FacesRecord(
        source=source,
        camera_id="gate-1",
        frame_id=offset,
        captured_at=AT,
        detected_at=AT,
        status=status,
        error=None if status is Status.OK else "no",
        inference_ms=inference_ms,
    )
    return Outcome(OffsetRange(offset, offset + 1), result, LogRecord(source, 0, None, b"x") if dead else None)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"crowdwatch_worker_{name}", labels) or 0.0


def test_a_task_is_measured_by_what_became_of_its_offsets() -> None:
    outcomes = [
        outcome(0, Status.OK, 10.0),
        outcome(1, Status.OK, 30.0),
        outcome(2, Status.SKIPPED),
        outcome(3, Status.FAILED, dead=True),
        Outcome(OffsetRange(4, 6)),
    ]
    measured = Measurement.of("openvino:int8", outcomes, 0.5)
    assert measured == Measurement("openvino:int8", ok=2, skipped=1, failed=1, dead=1, detect_s=0.02, task_s=0.5)


def test_a_task_without_frames_is_measured_too() -> None:
    assert Measurement.of("x", [], 0.1) == Measurement("x", 0, 0, 0, 0, 0.0, 0.1)


@pytest.mark.parametrize(("frames", "batch"), [(1, "1"), (3, "4"), (64, "64"), (500, "64")])
def test_batches_are_counted_in_few_sizes(frames: int, batch: str) -> None:
    before = value("detect_seconds_count", runtime="r", batch=batch)
    Measurement("r", frames, 0, 0, 0, 0.01, 0.1).count()
    assert value("detect_seconds_count", runtime="r", batch=batch) == before + 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_processes_report_is_counted_here_and_a_killed_one_does_no_harm() -> None:
    before = value("frames_total", status="ok"), value("dead_letters_total"), value("task_seconds_count")
    measurements = Measurements()
    children = []
    for number in range(3):
        pid = os.fork()
        if pid == 0:
            for _ in range(50):
                measurements.report(Measurement("r", 2, 0, 1, 1, 0.01, 0.1))
            os.kill(os.getpid(), signal.SIGKILL if number == 0 else signal.SIGTERM)
        children.append(pid)
    measurements.start()
    for pid in children:
        os.waitpid(pid, 0)
    measurements.close()
    after = value("frames_total", status="ok"), value("dead_letters_total"), value("task_seconds_count")
    assert [round(new - old) for new, old in zip(after, before, strict=True)] == [300, 150, 150]


def test_a_full_pipe_holds_nobody_up() -> None:
    measurements = Measurements()
    for _ in range(5000):
        measurements.report(Measurement("r", 1, 0, 0, 0, 0.01, 0.1))
    measurements.close()
