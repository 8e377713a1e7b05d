from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from storage.overview import TrendPoint
from web.services.overview import bucket_start, merge_trends, state_of

NOW = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("captured_s", "detected_s", "state"),
    [(0, 0, "live"), (-14, -14, "live"), (-3600, -1, "behind"), (-3600, -3500, "quiet"), (5, 0, "live")],
)
def test_the_state_of_a_camera(make_record, captured_s, detected_s, state):
    captured_at, detected_at = (NOW + timedelta(seconds=seconds) for seconds in (captured_s, detected_s))
    assert state_of(replace(make_record(captured_at=captured_at), detected_at=detected_at), NOW) == state


@pytest.mark.parametrize("skew_s", [-7200, -86400, 240])
@pytest.mark.parametrize(
    ("received_s", "detected_s", "state"),
    [(-1, 0, "live"), (-3600, -1, "behind"), (-60, -59, "quiet"), (3600, 3600, "quiet"), (2, 3, "live")],
)
def test_a_camera_is_live_by_when_its_frames_come(make_record, received_s, detected_s, skew_s, state):
    received_at, detected_at = (NOW + timedelta(seconds=seconds) for seconds in (received_s, detected_s))
    record = replace(make_record(captured_at=received_at + timedelta(seconds=skew_s)), received_at=received_at)
    assert state_of(replace(record, detected_at=detected_at), NOW) == state


def _points(*seconds, faces=1):
    return [TrendPoint(NOW + timedelta(seconds=second), faces, faces) for second in seconds]


def test_the_last_moments_of_a_trend_are_replaced():
    old = {"gate-1": _points(0, 10, 20, 30), "gate-2": _points(30), "gate-3": _points(10), "gate-4": _points(0)}
    fresh = {"gate-1": _points(30, 40, faces=2), "gate-5": _points(40)}
    merged = merge_trends(old, fresh, NOW + timedelta(seconds=10), NOW + timedelta(seconds=30))
    assert merged == {
        "gate-1": [*_points(10, 20), *_points(30, 40, faces=2)],
        "gate-3": _points(10),
        "gate-5": _points(40),
    }


def test_buckets_begin_at_whole_multiples():
    assert bucket_start(NOW + timedelta(seconds=19.9), 10) == NOW + timedelta(seconds=10)
