"""Counts of venues that begin anew each day, by the clock of the place, or when somebody says so."""

from datetime import datetime

import pytest

from analytics.uses.resets import DailyResets, inside_venue
from contracts.occupancy import VenuePart, VenueTally

DAILY = DailyResets(["Arena=04:00 Europe/Berlin"])


def s(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("at", "last"),
    [
        ("2026-11-24T03:59:59+01:00", "2026-11-23T04:00:00+01:00"),
        ("2026-11-24T04:00:00+01:00", "2026-11-24T04:00:00+01:00"),
        ("2026-11-24T02:30:00+00:00", "2026-11-23T04:00:00+01:00"),
        ("2026-10-25T12:00:00+01:00", "2026-10-25T04:00:00+01:00"),
        ("2026-10-25T03:30:00+01:00", "2026-10-24T04:00:00+02:00"),
    ],
)
def test_the_last_reset_is_told_by_the_clock_of_the_place(at: str, last: str) -> None:
    assert DAILY.last_s("Arena", s(at)) == s(last)
    assert DAILY.last_s("Hall", s(at)) == 0


def part(entered: int, left: int, at: str) -> VenuePart:
    return VenuePart("Arena", "gate-1", entered, left, s(at))


TODAY, YESTERDAY, NOW = "2026-11-24T09:00:00+01:00", "2026-11-23T22:00:00+01:00", s("2026-11-24T12:00:00+01:00")


@pytest.mark.parametrize(
    ("tallies", "inside"),
    [
        ([], 0),
        ([VenueTally(part(5, 2, TODAY))], 3),
        ([VenueTally(part(5, 2, TODAY)), VenueTally(part(9, 0, YESTERDAY))], 3),
        ([VenueTally(part(2, 5, TODAY))], 0),
        ([VenueTally(part(8, 2, TODAY), part(5, 2, TODAY))], 3),
        ([VenueTally(part(8, 2, TODAY), part(50, 2, YESTERDAY))], 6),
    ],
    ids=["none", "today", "of yesterday nobody", "nobody at least", "since the reset", "an older reset is over"],
)
def test_who_is_inside_came_since_the_last_reset(tallies: list[VenueTally], inside: int) -> None:
    assert inside_venue("Arena", tallies, DAILY, NOW) == inside
