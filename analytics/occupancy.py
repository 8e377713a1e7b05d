"""Occupancy: how many were in each zone in each second, final once nobody's visit can change it any more."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analytics.presence import ZoneVisit
from analytics.state import Stateful

_MOST_SECONDS = 600
_LEAST_SECONDS = 30

Judge = Callable[[str, int, float, float], tuple[float | None, float | None]]
"""Takes a zone, when a minute of it began, its mean occupancy and the people who came in it; returns what was usual and
the score."""


@dataclass(frozen=True)
class OccupancySecond:
    """People in a zone at a whole second; in the first second of a minute what was usual for the minute before."""

    zone: str
    at_s: int
    count: int
    expected: float | None = None
    score: float | None = None


class OccupancySeries(Stateful):
    """Counts the visits that cover each whole second, `delay_s` seconds later: who was lost by then is known.

    After a pause of ten minutes without a result the seconds in between are left out: nothing is known of them.
    """

    STATE = ("_open", "_closed", "_next_s", "_minute", "_came_s")

    def __init__(self, zones: Sequence[str], delay_s: float) -> None:
        self._delay_s = delay_s
        self._open: dict[str, dict[str, float]] = {zone: {} for zone in zones}
        self._closed: dict[str, list[list[float]]] = {zone: [] for zone in zones}
        self._next_s: int | None = None
        self._minute: dict[str, list[int]] = {zone: [] for zone in zones}
        self._came_s: dict[str, list[float]] = {zone: [] for zone in zones}  # when visits began, of minutes not judged

    def entered(self, visit: ZoneVisit) -> None:
        """Take a visit that began."""
        self._open[visit.zone][str(visit.track_id)] = visit.entered_s
        self._came_s[visit.zone].append(visit.entered_s)

    def left(self, visit: ZoneVisit) -> None:
        """Take a visit that is over."""
        assert visit.left_s is not None
        self._open[visit.zone].pop(str(visit.track_id), None)
        self._closed[visit.zone].append([visit.entered_s, visit.left_s])

    def advance(self, at_s: float, judge: Judge) -> list[OccupancySecond]:
        """Return the seconds that are final at a time. `judge` is told each zone's minutes of which half
        or more was seen, people who came extrapolated to the whole minute."""
        final_s = math.floor(at_s - self._delay_s)
        if self._next_s is None:
            self._next_s = math.ceil(at_s)
        if final_s - self._next_s > _MOST_SECONDS:
            self._next_s = final_s
            self._minute = {zone: [] for zone in self._minute}
        seconds: list[OccupancySecond] = []
        if self._next_s > final_s:
            return seconds
        while self._next_s <= final_s:
            for zone in self._open:
                seconds.append(self._second(zone, self._next_s, judge))
            self._next_s += 1
        for zone, visits in self._closed.items():
            self._closed[zone] = [visit for visit in visits if visit[1] >= self._next_s]
        return seconds

    def finish(self, at_s: float, judge: Judge) -> list[OccupancySecond]:
        """Return the seconds up to a time at which all visits are over."""
        return self.advance(at_s + self._delay_s, judge) if self._next_s is not None else []

    def _second(self, zone: str, at_s: int, judge: Judge) -> OccupancySecond:
        count = sum(entered <= at_s for entered in self._open[zone].values())
        count += sum(entered <= at_s < left for entered, left in self._closed[zone])
        expected, score = None, None
        counts = self._minute[zone]
        if at_s % 60 == 0:
            came_s = self._came_s[zone]
            came = sum(at_s - 60 <= one < at_s for one in came_s)
            self._came_s[zone] = [one for one in came_s if one >= at_s]
            if len(counts) >= _LEAST_SECONDS:
                expected, score = judge(zone, at_s - 60, sum(counts) / len(counts), 60 * came / len(counts))
            counts.clear()
        counts.append(count)
        return OccupancySecond(zone, at_s, count, expected, score)
