"""The period of a question about analytics."""

from datetime import datetime, timedelta, timezone

import pytest

from contracts.errors import ContractError
from web.services.analytics import Question

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def ask(start, end):
    return Question.of(
        "occupancy",
        camera_id="gate",
        zone=None,
        line=None,
        venue=None,
        start=start,
        end=end,
        bucket_s=None,
        now=NOW,
    )


def test_the_last_hour_is_the_default():
    assert (ask(None, None).start, ask(None, None).end) == (NOW - timedelta(hours=1), NOW)
    assert ask(NOW + timedelta(hours=1), None).end == NOW + timedelta(hours=1, seconds=1)


@pytest.mark.parametrize("year", [1, 1969, 9999])
@pytest.mark.parametrize("name", ["from", "to"])
def test_years_at_the_ends_of_the_calendar_are_refused(name, year):
    at = datetime(year, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    with pytest.raises(ContractError, match=f"{name} should lie in the years 1970 to 9998"):
        ask(at, None) if name == "from" else ask(None, at)
