"""The sink counts frames of each camera, but not of endlessly many."""

from datetime import timedelta

from prometheus_client import REGISTRY

from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from contracts.times import from_rfc3339
from workers.sink_metrics import OTHERS, SinkMetrics

AT = from_rfc3339("2026-11-23T21:30:00.000Z")


def result(camera_id: str, status: Status = Status.OK) -> FacesRecord:
    return FacesRecord(
        source=SourceOffset("frames", 0, 0),
        camera_id=camera_id,
        frame_id=0,
        captured_at=AT,
        detected_at=AT,
        status=status,
        error=None if status is Status.OK else "no",
    )


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"crowdwatch_sink_{name}", labels) or 0.0


def test_frames_are_counted_by_camera_and_status() -> None:
    results = [result("t-1"), result("t-1"), result("t-1", Status.SKIPPED), result("t-2", Status.FAILED)]
    SinkMetrics().stored(results, 0.01, AT)
    assert value("stored_total", camera="t-1", status="ok") == 2
    assert value("stored_total", camera="t-1", status="skipped") == 1
    assert value("stored_total", camera="t-2", status="failed") == 1


def test_the_age_of_detected_frames_is_observed_and_a_clock_ahead_counts_as_none() -> None:
    before = [value("latency_seconds_count"), value("latency_seconds_sum"), value("write_seconds_count")]
    metrics = SinkMetrics()
    metrics.stored([result("t-3"), result("t-3", Status.SKIPPED)], 0.02, AT + timedelta(seconds=4))
    metrics.stored([result("t-3")], 0.02, AT - timedelta(seconds=4))
    metrics.stored([], 0.0, AT)
    after = [value("latency_seconds_count"), value("latency_seconds_sum"), value("write_seconds_count")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 4.0, 2]


def test_cameras_beyond_a_number_are_counted_together() -> None:
    metrics = SinkMetrics(most_cameras=2)
    before = value("stored_total", camera=OTHERS, status="ok")
    metrics.stored([result(f"made-up-{number}") for number in range(10)], 0.01, AT)
    metrics.stored([result("made-up-0")], 0.01, AT)
    assert value("stored_total", camera="made-up-0", status="ok") == 2
    assert value("stored_total", camera="made-up-5", status="ok") == 0
    assert value("stored_total", camera=OTHERS, status="ok") == before + 8
