"""Counts of venues that begin anew: each day at a time of its own, and when somebody says so.

What is counted at doors drifts, as some crossings are missed. Everything here goes by the time of the pictures, so that
results that are analysed late, or again, count into the day that they belong to.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from contracts.occupancy import VenueTally

_NEVER_S = 0.0


class DailyResets:
    """When the counts of venues begin anew each day: texts such as `Arena=04:00 Europe/Berlin`, checked before."""

    def __init__(self, resets: Sequence[str]) -> None:
        self._resets: dict[str, tuple[time, ZoneInfo]] = {}
        for one in resets:
            venue, _, when = one.rpartition("=")
            clock, _, zone = when.partition(" ")
            self._resets[venue] = time.fromisoformat(clock), ZoneInfo(zone)

    def last_s(self, venue: str, at_s: float) -> float:
        """Return the time of the venue's last reset at `at_s` or before, seconds since 1970; 0 when it has none."""
        if venue not in self._resets:
            return _NEVER_S
        clock, zone = self._resets[venue]
        day = datetime.fromtimestamp(at_s, zone).date()
        reset_s = datetime.combine(day, clock, zone).timestamp()
        if reset_s > at_s:
            reset_s = datetime.combine(day - timedelta(days=1), clock, zone).timestamp()
        return reset_s


def inside_venue(venue: str, tallies: Iterable[VenueTally], resets: DailyResets, now_s: float) -> int:
    """Return how many people are inside by what its cameras have counted since the last reset, nobody at least."""
    since_s, inside = resets.last_s(venue, now_s), 0
    for tally in tallies:
        part, base = tally.part, tally.base
        if part.at_s < since_s:
            continue
        inside += part.entered - part.left
        if base is not None and base.at_s >= resets.last_s(venue, part.at_s):
            inside -= base.entered - base.left
    return max(inside, 0)
