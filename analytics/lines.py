"""Who passed which line, which way: each person once a passage, also where it was not seen whole.

Three things make a count of line crossings wrong, and are met here. Boxes tremble: a passage counts only when the
anchor is beyond the line by a part of a face width. People appear after the line or vanish before it, because frames
are rare, or because the line runs along the edge of the picture: a track is prolonged by its velocity to the edge where
it can have come from, or gone to, since the frame before or after. And people come back: every passage counts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from analytics.geometry import Anchor, Line, Point
from analytics.tracking import TrackEnd, TrackPoint

INERTIA_WIDTHS = 0.25
"""How far beyond a line the anchor has to be, in face widths, before the passage counts."""

_FREQUENT_S, _RARE_S = 0.3, 0.5
_REACH_FRAMES = (1.5, 4.5, 6.0)
_REACH_S = 0.15
"""A way leads out of the picture when it gets there within so many frames, or this many seconds.

Of more frames where they are rarer: a velocity from few finds is less sure. Of each the first number holds up to
`_FREQUENT_S` from frame to frame, the last one beyond `_RARE_S`.
"""

_LOST_FRAMES = (0.0, 0.0, 5.0)
"""Who is lost within the picture is taken to have gone on for so many frames; where they are not rare, such a track is
found again before it can have passed a line."""

_BEYOND = 0.02


@dataclass(frozen=True)
class NamedLine:
    """A line of the camera's settings."""

    name: str
    line: Line
    anchor: Anchor = Anchor.CENTER


class LineCrossing(msgspec.Struct, frozen=True, gc=False):
    """A track passed a line: `in` or `out`, at a time between two frames (seconds since 1970)."""

    line: str
    track_id: int
    direction: str
    at_s: float


@dataclass
class _Way:
    """What is known of a track: when it was found last and how often; and of each line, by the lines' order, where its
    anchor was then, on which side (see `Line.side`), and when it passed the line without being clear of it yet."""

    at_s: float
    points_seen: int
    places: list[Point]
    sides: list[float]
    passed_s: list[float | None]


class LineCounter:
    """Counts the crossings of one camera's lines by its tracks."""

    def __init__(self, lines: Sequence[NamedLine], image_size: tuple[int, int]) -> None:
        self._lines = tuple(lines)
        self._anchors = [named.anchor for named in lines]
        self._ends = [  # of each line its start and where it leads from there
            (*named.line.start, named.line.end[0] - named.line.start[0], named.line.end[1] - named.line.start[1])
            for named in lines
        ]
        self._width, self._height = image_size
        self._aspect = self._height / self._width
        self._ways: dict[int, _Way] = {}

    def update(self, points: Iterable[TrackPoint], ended: Iterable[TrackEnd], interval_s: float) -> list[LineCrossing]:
        """Take what a tracker reported of one frame; `interval_s` is the time between two frames, in seconds."""
        if not self._lines:
            return []
        crossings: list[LineCrossing] = []
        rarity = (interval_s > _FREQUENT_S) + (interval_s > _RARE_S)
        reach_s, lost_s = max(_REACH_FRAMES[rarity] * interval_s, _REACH_S), _LOST_FRAMES[rarity] * interval_s
        for point in points:
            way = self._ways.get(point.track_id)
            if way is None:
                self._ways[point.track_id] = self._begin(point)
            else:
                self._go_on(way, point, reach_s, crossings)
        for end in ended:
            way = self._ways.pop(end.track_id, None)
            if way is not None:
                self._end(way, end, reach_s, lost_s, crossings)
        return crossings

    def _places(self, point: TrackPoint) -> list[Point]:
        center = (point.x / self._width, point.y / self._height)
        bottom = (center[0], center[1] + point.height / self._height / 2)
        return [center if anchor is Anchor.CENTER else bottom for anchor in self._anchors]

    def _begin(self, point: TrackPoint) -> _Way:
        places = self._places(point)
        sides = [named.line.side(place) for named, place in zip(self._lines, places, strict=True)]
        return _Way(point.at_s, 1, places, sides, [None] * len(places))

    def _go_on(self, way: _Way, point: TrackPoint, reach_s: float, crossings: list[LineCrossing]) -> None:
        places = self._places(point)
        elapsed_s = max(point.at_s - way.at_s, 1e-3)
        sides, passed = way.sides, way.passed_s
        for index, (x0, y0, dx, dy) in enumerate(self._ends):
            after, side_before = places[index], sides[index]
            side = sides[index] = dx * (after[1] - y0) - dy * (after[0] - x0)
            if way.points_seen > 1 and (side_before >= 0) == (side >= 0) and passed[index] is None:
                continue
            named, before = self._lines[index], way.places[index]
            line = named.line
            if way.points_seen == 1:
                velocity = ((before[0] - after[0]) / elapsed_s, (before[1] - after[1]) / elapsed_s)
                part = _passed_outside(line, before, velocity, reach_s)
                if part is not None:
                    crossings.append(LineCrossing(named.name, point.track_id, _direction(side_before), way.at_s - part))
            if (side_before >= 0) != (side >= 0):
                part = line.passed_at(before, after)
                if part is not None:
                    back = way.passed_s[index] is not None
                    way.passed_s[index] = None if back else way.at_s + part * elapsed_s
            passed_s = way.passed_s[index]
            if passed_s is not None:
                clear = INERTIA_WIDTHS * point.width / self._width
                if line.distance(after, self._aspect) >= clear:
                    way.passed_s[index] = None
                    crossings.append(LineCrossing(named.name, point.track_id, _direction(side), passed_s))
        way.places, way.at_s, way.points_seen = places, point.at_s, way.points_seen + 1

    def _end(self, way: _Way, end: TrackEnd, reach_s: float, lost_s: float, crossings: list[LineCrossing]) -> None:
        velocity = (end.velocity_x / self._width, end.velocity_y / self._height)
        for index, named in enumerate(self._lines):
            line, last, side, passed_s = named.line, way.places[index], way.sides[index], way.passed_s[index]
            if passed_s is not None:
                crossings.append(LineCrossing(named.name, end.track_id, _direction(side), passed_s))
            part = _passed_outside(line, last, velocity, reach_s)
            if part is None:  # nobody vanishes within the picture: who is lost went on, and is found as somebody new
                part = _passed_within(line, last, velocity, lost_s)
            if part is not None:
                crossings.append(
                    LineCrossing(named.name, end.track_id, _direction(-1.0 if side >= 0 else 1.0), way.at_s + part)
                )

    def state(self) -> list[Any]:
        """Return the state as JSON types, for a checkpoint."""
        return [
            [track_id, way.at_s, way.points_seen, way.places, way.sides, way.passed_s]
            for track_id, way in self._ways.items()
        ]

    def resume(self, state: list[Any]) -> None:
        """Go on from the `state` of a counter with the same lines."""
        self._ways = {}
        for track_id, at_s, seen, places, sides, passed_s in state:
            self._ways[track_id] = _Way(at_s, seen, [(x, y) for x, y in places], list(sides), list(passed_s))


def _passed_outside(line: Line, start: Point, velocity: Point, most_s: float) -> float | None:
    """Return after how many seconds a way passes the line while it leaves the picture, None if it does not.

    A way that does not leave the picture within `most_s` seconds leads nowhere: the track ended or began for another
    reason.
    """
    if _leaves_s(start, velocity, 0) > most_s:
        return None
    return _passed_within(line, start, velocity, _leaves_s(start, velocity, _BEYOND))


def _passed_within(line: Line, start: Point, velocity: Point, seconds: float) -> float | None:
    part = line.passed_at(start, (start[0] + velocity[0] * seconds, start[1] + velocity[1] * seconds))
    return None if part is None else part * seconds


def _leaves_s(start: Point, velocity: Point, beyond: float) -> float:
    """Return when a way leaves the picture, widened by `beyond` on each side; infinity for one that stands still."""
    times = [
        ((1 + beyond if speed > 0 else -beyond) - place) / speed
        for place, speed in zip(start, velocity, strict=True)
        if speed
    ]
    return min(times, default=math.inf)


def _direction(side: float) -> str:
    return "in" if side >= 0 else "out"
