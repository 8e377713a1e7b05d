"""Zones and directed lines in relative coordinates: 0 to 1, x to the right, y down.

A crossing is `in` when `(to - from) x (p - from)` goes from negative to positive. For a line from the top to the bottom
of the picture that is a walk towards its left edge.
"""

import math
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from contracts.errors import ContractError

Point = tuple[float, float]
"""x and y, relative to the picture's width and height."""


class Anchor(str, Enum):
    """The point of a box that stands for the person."""

    CENTER = "center"
    BOTTOM_CENTER = "bottom_center"

    def of(self, x: float, y: float, height: float) -> Point:
        """Return the anchor of the box with the centre `x`, `y` and the height `height`."""
        return (x, y) if self is Anchor.CENTER else (x, y + height / 2)


@dataclass(frozen=True)
class Polygon:
    """A simple polygon of three corners or more; its border belongs to it."""

    corners: tuple[Point, ...]

    def __post_init__(self) -> None:
        if len(self.corners) < 3:
            raise ContractError(f"expected a polygon of 3 corners or more, got {len(self.corners)}")
        if any(not math.isfinite(number) for corner in self.corners for number in corner):
            raise ContractError(f"expected finite corners, got {self.corners}")
        if self.area < 1e-9:
            raise ContractError(f"expected a polygon with an area, got {self.corners}")

    @property
    def area(self) -> float:
        """The area as a part of the picture's (shoelace formula)."""
        ends = (*self.corners[1:], self.corners[0])
        return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(self.corners, ends, strict=True))) / 2

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """The least and greatest coordinates: left, top, right, bottom."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @cached_property
    def _is_box(self) -> bool:
        """Whether the polygon is its own bounding box, corner by corner."""
        left, top, right, bottom = self.bounds
        corners = {(left, top), (right, top), (right, bottom), (left, bottom)}
        return len(self.corners) == 4 and set(self.corners) == corners

    def contains(self, point: Point) -> bool:
        """Whether a point lies within, by the even-odd rule, or on the border."""
        x, y = point
        left, top, right, bottom = self.bounds
        if not (left <= x <= right and top <= y <= bottom):
            return False
        if self._is_box:
            return True
        inside = False
        x0, y0 = self.corners[-1]
        for x1, y1 in self.corners:
            cross = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
            if cross == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
                return True
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
            x0, y0 = x1, y1
        return inside

    def distance(self, point: Point, aspect: float = 1.0) -> float:
        """Return how far a point is from the border, in picture widths; `aspect`: the picture's height by width."""
        ends = (*self.corners[1:], self.corners[0])
        return min(segment_distance(point, a, b, aspect) for a, b in zip(self.corners, ends, strict=True))


@dataclass(frozen=True)
class Line:
    """A directed line segment."""

    start: Point
    end: Point

    def __post_init__(self) -> None:
        if any(not math.isfinite(number) for number in (*self.start, *self.end)):
            raise ContractError(f"expected finite ends, got {self.start} and {self.end}")
        if math.dist(self.start, self.end) < 1e-6:
            raise ContractError(f"expected a line between two points, got {self.start} twice")

    def side(self, point: Point) -> float:
        """Return `(end - start) x (point - start)`: positive on the side that `in` leads to, 0 on the line."""
        (x0, y0), (x1, y1) = self.start, self.end
        return (x1 - x0) * (point[1] - y0) - (y1 - y0) * (point[0] - x0)

    def passed_at(self, before: Point, after: Point) -> float | None:
        """Return where on the way from `before` (0) to `after` (1) the segment is passed; None where it is not.

        A point on the line counts to its positive side, so that a way that ends on the line is not counted again by the
        way that begins there.
        """
        side_before, side_after = self.side(before), self.side(after)
        if (side_before >= 0) == (side_after >= 0):
            return None
        part = side_before / (side_before - side_after)
        along = self.along((before[0] + part * (after[0] - before[0]), before[1] + part * (after[1] - before[1])))
        return part if -1e-9 <= along <= 1 + 1e-9 else None

    def along(self, point: Point) -> float:
        """Return where the foot of a point lies on the line: 0 at its start, 1 at its end."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        return ((point[0] - self.start[0]) * dx + (point[1] - self.start[1]) * dy) / (dx * dx + dy * dy)

    def distance(self, point: Point, aspect: float = 1.0) -> float:
        """Return how far a point is from the segment, in picture widths; `aspect`: the picture's height by width."""
        return segment_distance(point, self.start, self.end, aspect)


def segment_distance(point: Point, start: Point, end: Point, aspect: float) -> float:
    """Return the distance of a point to a segment, in units of x; y counts `aspect` times as much."""
    px, py = point[0] - start[0], (point[1] - start[1]) * aspect
    dx, dy = end[0] - start[0], (end[1] - start[1]) * aspect
    length = dx * dx + dy * dy
    part = min(max((px * dx + py * dy) / length, 0.0), 1.0) if length else 0.0
    return math.hypot(px - part * dx, py - part * dy)
