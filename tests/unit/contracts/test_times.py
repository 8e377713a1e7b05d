from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractError
from contracts.times import from_epoch_ms, from_rfc3339, to_milliseconds, to_rfc3339

_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=_ZONES))
def test_a_round_trip_keeps_milliseconds(at):
    assert from_rfc3339(to_rfc3339(at)) == to_milliseconds(at)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T21:30:00Z", "2026-11-23T21:30:00.000Z"),
        ("2026-11-23T21:30:00.5Z", "2026-11-23T21:30:00.500Z"),
        ("2026-11-23T21:30:00.123456789Z", "2026-11-23T21:30:00.123Z"),
        ("2026-11-23T21:30:00.25+01:30", "2026-11-23T20:00:00.250Z"),
        ("2026-11-23 21:30:00z", "2026-11-23T21:30:00.000Z"),
    ],
)
def test_every_usual_form_is_read(text, expected):
    assert to_rfc3339(from_rfc3339(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-11-23T21:30:00",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_names_no_time_is_refused(text):
    with pytest.raises(ContractError):
        from_rfc3339(text)


def test_a_time_without_zone_is_refused():
    with pytest.raises(ContractError, match="time zone"):
        to_rfc3339(datetime(2026, 1, 1))


def test_kafka_time_stamps_are_exact():
    assert to_rfc3339(from_epoch_ms(1_700_000_000_001)) == "2023-11-14T22:13:20.001Z"
    with pytest.raises(ContractError):
        from_epoch_ms(10**18)
