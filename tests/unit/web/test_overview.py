from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from web.services.overview import state_of

NOW = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("captured_s", "detected_s", "state"),
    [(0, 0, "live"), (-14, -14, "live"), (-3600, -1, "behind"), (-3600, -3500, "quiet"), (5, 0, "live")],
)
def test_the_state_of_a_camera(make_record, captured_s, detected_s, state):
    captured_at, detected_at = (NOW + timedelta(seconds=seconds) for seconds in (captured_s, detected_s))
    assert state_of(replace(make_record(captured_at=captured_at), detected_at=detected_at), NOW) == state
