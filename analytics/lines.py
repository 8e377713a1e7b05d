"""Who passed which line, which way: each person once a passage, also where it was not seen whole.

Three things make a count of line crossings wrong, and are met here. Boxes tremble: a passage counts only when the
anchor is beyond the line by a part of a face width. People appear after the line or vanish before it, because frames
are rare, or because the line runs along the edge of the picture: a track is prolonged by its velocity to the edge where
it can have come from, or gone to, since the frame before or after. And people come back: every passage counts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics.geometry import Anchor, Line, Point
from analytics.tracking import TrackEnd, TrackPoint

INERTIA_WIDTHS = 0.25
"""How far beyond a line the anchor has to be, in face widths, before the passage counts."""

_REACH_FRAMES = 4.5
_REACH_S = 0.4
"""A way leads out of the picture when it gets there within so many frames, or this many seconds."""

_LOST_FRAMES = 2.0
"""Who is lost within the picture is taken to have gone on for so many frames."""

_BEYOND = 0.02


@dataclass(frozen=True)
class NamedLine:
    """A line of the camera's settings."""

    name: str
    line: Line
    anchor: Anchor = Anchor.CENTER


@dataclass(frozen=True)
class LineCrossing:
    """A track passed a line: `in` or `out`, at a time between two frames (seconds since 1970)."""

    line: str
    track_id: int
    direction: str
    at_s: float


@dataclass
class _Way:
    """What is known of a track: its last point, and of each line the side that is sure and the passage that is not."""

    at_s: float
    points: dict[str, Point]
    points_seen: int = 1
    sides: dict[str, bool] = field(default_factory=dict)
    passed_s: dict[str, float] = field(default_factory=dict)


class LineCounter:
    """Counts the crossings of one camera's lines by its tracks."""

    def __init__(self, lines: Sequence[NamedLine], image_size: tuple[int, int]) -> None:
        self._lines = tuple(lines)
        self._width, self._height = image_size
        self._aspect = self._height / self._width
        self._ways: dict[int, _Way] = {}

    def update(self, points: Iterable[TrackPoint], ended: Iterable[TrackEnd], interval_s: float) -> list[LineCrossing]:
        """Take what a tracker reported of one frame; `interval_s` is the time between two frames, in seconds."""
        if not self._lines:
            return []
        crossings: list[LineCrossing] = []
        reach_s = max(_REACH_FRAMES * interval_s, _REACH_S)
        for point in points:
            way = self._ways.get(point.track_id)
            if way is None:
                self._ways[point.track_id] = self._begin(point)
            else:
                self._go_on(way, point, reach_s, crossings)
        for end in ended:
            way = self._ways.pop(end.track_id, None)
            if way is not None:
                self._end(way, end, reach_s, interval_s, crossings)
        return crossings

    def _anchors(self, x: float, y: float, height: float) -> dict[str, Point]:
        x, y, height = x / self._width, y / self._height, height / self._height
        return {named.name: named.anchor.of(x, y, height) for named in self._lines}

    def _begin(self, point: TrackPoint) -> _Way:
        anchors = self._anchors(point.x, point.y, point.height)
        sides = {named.name: named.line.side(anchors[named.name]) >= 0 for named in self._lines}
        return _Way(point.at_s, anchors, sides=sides)

    def _go_on(self, way: _Way, point: TrackPoint, reach_s: float, crossings: list[LineCrossing]) -> None:
        anchors = self._anchors(point.x, point.y, point.height)
        elapsed_s = max(point.at_s - way.at_s, 1e-3)
        for named in self._lines:
            name, line, before, after = named.name, named.line, way.points[named.name], anchors[named.name]
            if way.points_seen == 1:
                velocity = ((before[0] - after[0]) / elapsed_s, (before[1] - after[1]) / elapsed_s)
                part = _passed_outside(line, before, velocity, reach_s)
                if part is not None:
                    side = way.sides[name]
                    crossings.append(LineCrossing(name, point.track_id, _direction(side), way.at_s - part))
            part = line.passed_at(before, after)
            if part is not None:
                if way.passed_s.pop(name, None) is None:
                    way.passed_s[name] = way.at_s + part * elapsed_s
            elif name not in way.passed_s:
                way.sides[name] = line.side(after) >= 0  # around its end
            if (
                name in way.passed_s
                and line.distance(after, self._aspect) >= INERTIA_WIDTHS * point.width / self._width
            ):
                way.sides[name] = line.side(after) >= 0
                passed_s = way.passed_s.pop(name)
                crossings.append(LineCrossing(name, point.track_id, _direction(way.sides[name]), passed_s))
        way.points, way.at_s, way.points_seen = anchors, point.at_s, way.points_seen + 1

    def _end(self, way: _Way, end: TrackEnd, reach_s: float, interval_s: float, crossings: list[LineCrossing]) -> None:
        velocity = (end.velocity_x / self._width, end.velocity_y / self._height)
        for named in self._lines:
            name, line, last = named.name, named.line, way.points[named.name]
            side = line.side(last) >= 0
            if name in way.passed_s:
                crossings.append(LineCrossing(name, end.track_id, _direction(side), way.passed_s[name]))
            part = _passed_outside(line, last, velocity, reach_s)
            if part is None:  # nobody vanishes within the picture: who is lost went on, and is found as somebody new
                part = _passed_within(line, last, velocity, _LOST_FRAMES * interval_s)
            if part is not None:
                crossings.append(LineCrossing(name, end.track_id, _direction(not side), way.at_s + part))

    def state(self) -> list[Any]:
        """Return the state as JSON types, for a checkpoint."""
        return [
            [track_id, way.at_s, way.points_seen, way.points, way.sides, way.passed_s]
            for track_id, way in self._ways.items()
        ]

    def resume(self, state: list[Any]) -> None:
        """Go on from the `state` of a counter with the same lines."""
        self._ways = {}
        for track_id, at_s, seen, points, sides, passed_s in state:
            anchors = {name: (x, y) for name, (x, y) in points.items()}
            self._ways[track_id] = _Way(at_s, anchors, seen, dict(sides), dict(passed_s))


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


def _direction(positive: bool) -> str:
    return "in" if positive else "out"
