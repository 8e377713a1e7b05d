"""Anomalies: a count that is unusual for the hour and weekday, and crowds that gather or disperse suddenly."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from analytics.state import Stateful
from analytics.tracking import TrackPoint

_KEPT = 40
_LEAST_KEPT = 4
_LINK_WIDTHS = 6.0
_SLOW_WIDTHS = 2.0
_LASTING_S = 5.0
_SPEED_S = 1.5


@dataclass(frozen=True)
class Unusual:
    """How far a number is from what is usual, in robust standard deviations; `expected` is None while learning."""

    observed: float
    expected: float | None
    score: float | None


class Usual(Stateful):
    """What is usual in each hour of the week: median and median absolute deviation (Hampel 1974) of minute means.

    An hour is learned from four values on; the newest forty are kept.
    """

    STATE = ("_hours",)

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._hours: dict[str, list[float]] = {}

    def judge(self, at_s: float, value: float) -> Unusual:
        """Compare a value with the usual ones of its hour, then learn it."""
        local = datetime.fromtimestamp(at_s, timezone.utc).astimezone(self._zone)
        values = self._hours.setdefault(str(24 * local.weekday() + local.hour), [])
        unusual = Unusual(value, None, None)
        if len(values) >= _LEAST_KEPT:
            expected = statistics.median(values)
            deviation = 1.4826 * statistics.median([abs(one - expected) for one in values])
            least = 0.8 * math.sqrt(expected + 1)  # counts of people vary at least about so much
            unusual = Unusual(value, expected, (value - expected) / max(deviation, least))
        values.append(round(value, 3))
        del values[:-_KEPT]
        return unusual


@dataclass(frozen=True)
class CrowdChange:
    """`gathering`: people stand together who did not. `dispersal`: they no longer do."""

    kind: str
    at_s: float
    people: int


class Gatherings(Stateful):
    """The largest group of people who stand together: slower than two face widths a second, within six of each other.

    A group of at least `least` that lasts five seconds is a gathering; half of it or fewer for as long, its dispersal.
    """

    STATE = ("_places", "_since_s", "_gathered")

    def __init__(self, least: int = 5) -> None:
        self._least = least
        self._places: dict[str, list[list[float]]] = {}  # of each track: time, x, y, width, for a short while
        self._since_s: float | None = None
        self._gathered = False

    def update(self, points: Sequence[TrackPoint], at_s: float) -> CrowdChange | None:
        """Take the faces of a frame."""
        for point in points:
            key, place = str(point.track_id), [point.at_s, point.x, point.y, point.width]
            if key in self._places:
                self._places[key].append(place)
            else:
                self._places[key] = [place]
        since_s = at_s - 2 * _SPEED_S
        gone = []
        for key, way in self._places.items():
            while way and way[0][0] <= since_s:
                way.pop(0)
            if not way:
                gone.append(key)
        for key in gone:
            del self._places[key]
        people = self._largest()
        met = people <= self._least // 2 if self._gathered else people >= self._least
        if not met:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = at_s
        if at_s - self._since_s < _LASTING_S:
            return None
        self._gathered, self._since_s = not self._gathered, None
        return CrowdChange("gathering" if self._gathered else "dispersal", at_s, people)

    def _largest(self) -> int:
        """Return the size of the largest group, by single linkage."""
        standing = [way[-1] for way in self._places.values() if _speed(way) < _SLOW_WIDTHS]
        if len(standing) < self._least and not self._gathered:  # no gathering, however they stand
            return len(standing)
        largest = 0
        while len(standing) > largest:
            group = [standing.pop()]
            for _, x, y, width in group:
                reach = _LINK_WIDTHS * width
                near = [one for one in standing if math.hypot(one[1] - x, one[2] - y) < reach]
                if near:
                    standing = [one for one in standing if one not in near]
                    group += near
            largest = max(largest, len(group))
        return largest


def _speed(way: Sequence[Sequence[float]]) -> float:
    """Widths a second from the first to the last place; infinite for one seen too short a time."""
    elapsed = way[-1][0] - way[0][0]
    if elapsed < 1.0:
        return math.inf
    return math.hypot(way[-1][1] - way[0][1], way[-1][2] - way[0][2]) / way[-1][3] / elapsed
