"""Anomalies: a number that is unusual for the hour and weekday, and crowds that gather or disperse suddenly."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from analytics.state import Stateful
from analytics.tracking import TrackPoint

_WEEKS_KEPT = 4
_LEAST_MINUTES = 20
_LEAST_DAYS = 2
_DAYS_COMPARED = 7
_SIGMAS = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""

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
    """What is usual of a number (people there, people who come in a minute) in each hour of the week.

    An hour of which 20 minutes or more were seen is remembered by its median and its median absolute deviation (Hampel
    1974), for four weeks. A minute is compared with the same hour of the week once that is known from two weeks or
    more; until then with the same hour of the last seven days on which it is known, two or more. Before that nothing is
    usual, and nothing unusual.
    """

    STATE = ("_past", "_hour", "_minutes")

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)
        self._past: dict[str, list[list[float]]] = {}  # of each hour of the week: day, median, deviation; oldest first
        self._hour: list[int] = []  # that goes on: day, hour of the week
        self._minutes: list[float] = []  # of that hour

    def judge(self, at_s: float, value: float) -> Unusual:
        """Compare a minute's value with what is usual for its hour, then learn it."""
        local = datetime.fromtimestamp(at_s, timezone.utc).astimezone(self.zone)
        hour = [local.toordinal(), 24 * local.weekday() + local.hour]
        if hour != self._hour:
            self._remember()
            self._hour = hour
        self._minutes.append(round(value, 3))
        known = self._known(hour[1])
        if len(known) < _LEAST_DAYS:
            return Unusual(value, None, None)
        expected = statistics.median([median for _, median, _ in known])
        between = _SIGMAS * statistics.median([abs(median - expected) for _, median, _ in known])
        within = _SIGMAS * statistics.median([deviation for *_, deviation in known])
        least = 0.8 * math.sqrt(expected + 1)  # counts of people vary at least about so much
        return Unusual(value, expected, (value - expected) / max(between, within, least))

    def move(self, hours: int) -> None:
        """Follow a change of the time zone: what was learned was so many hours later by the new one."""
        self._remember()
        self._hour = []
        past, self._past = self._past, {}
        for hour, known in past.items():
            for day, *numbers in known:
                days, of_day = divmod(24 * int(day) + int(hour) % 24 + hours, 24)
                moved = self._past.setdefault(str(24 * ((days - 1) % 7) + of_day), [])
                moved.append([days, *numbers])
        self._past = {hour: sorted(known)[-_WEEKS_KEPT:] for hour, known in self._past.items()}

    def _known(self, hour: int) -> list[list[float]]:
        """Return the hours that an hour of the week is compared with, as they are remembered."""
        same = self._past.get(str(hour), [])
        if len(same) >= _LEAST_DAYS:
            return same
        of_day = [one for day in range(7) for one in self._past.get(str(24 * day + hour % 24), [])]
        return sorted(of_day)[-_DAYS_COMPARED:]

    def _remember(self) -> None:
        """Remember the hour that is over, if enough of it was seen."""
        minutes, self._minutes = self._minutes, []
        if len(minutes) < _LEAST_MINUTES:
            return
        day, hour = self._hour
        median = statistics.median(minutes)
        deviation = statistics.median([abs(minute - median) for minute in minutes])
        weeks = [one for one in self._past.get(str(hour), []) if one[0] != day]
        self._past[str(hour)] = [*weeks, [day, round(median, 3), round(deviation, 3)]][-_WEEKS_KEPT:]


class UsualCrowd:
    """What is usual in one zone: how many are there, and how many come in a minute."""

    def __init__(self, time_zone: str) -> None:
        self._count = Usual(time_zone)
        self._flow = Usual(time_zone)

    def judge(self, at_s: float, count: float, came: float) -> Unusual:
        """Judge a minute by its mean count and by those who came; return the count with the score that says more."""
        by_count, by_flow = self._count.judge(at_s, count), self._flow.judge(at_s, came)
        scores = [unusual.score for unusual in (by_count, by_flow) if unusual.score is not None]
        return Unusual(count, by_count.expected, max(scores, key=abs, default=None))

    def move(self, time_zone: str, at_s: float) -> None:
        """Go by this one's time zone what was learned by another, as their clocks differ at a time."""
        at = datetime.fromtimestamp(at_s, timezone.utc)
        before, now = (at.astimezone(zone).utcoffset() for zone in (ZoneInfo(time_zone), self._count.zone))
        assert before is not None and now is not None
        for usual in (self._count, self._flow):
            usual.move(round((now - before).total_seconds() / 3600))

    def restart(self) -> None:
        """Keep all: what is usual does not end with the tracks."""

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types, for a checkpoint."""
        return {"count": self._count.state(), "flow": self._flow.state()}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of another one."""
        self._count.resume(state["count"])
        self._flow.resume(state["flow"])


@dataclass(frozen=True)
class CrowdChange:
    """`gathering`: people stand together who did not. `dispersal`: they no longer do.

    `people` are those who stand together now, `most` the most there were since they gathered.
    """

    kind: str
    at_s: float
    people: int
    most: int


class Gatherings(Stateful):
    """The largest group of people who stand together: slower than two face widths a second, within six of each other.

    A group of at least `least` that lasts five seconds is a gathering; half of it or fewer for as long, its dispersal.
    """

    STATE = ("_places", "_since_s", "_gathered", "_most")

    def __init__(self, least: int = 5, lasting_s: float = _LASTING_S, dispersed_s: float = _LASTING_S) -> None:
        self._least = least
        self._lasting_s, self._dispersed_s = lasting_s, dispersed_s
        self._places: dict[str, list[list[float]]] = {}  # of each track: time, x, y, width, for a short while
        self._since_s: float | None = None
        self._gathered = False
        self._most = 0

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
        self._most = max(self._most, people) if self._gathered else people
        met = people <= self._least // 2 if self._gathered else people >= self._least
        if not met:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = at_s
        if at_s - self._since_s < (self._dispersed_s if self._gathered else self._lasting_s):
            return None
        self._gathered, self._since_s = not self._gathered, None
        return CrowdChange("gathering" if self._gathered else "dispersal", at_s, people, self._most)

    def restart(self) -> None:
        """Forget the tracks, and keep whether people have gathered."""
        self._places, self._since_s = {}, None

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
