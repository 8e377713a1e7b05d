"""The projective map from the picture to the ground, fitted to point pairs (Hartley and Zisserman 2004, section 4.1).

Pure Python, so that the border can check a ground plane wherever a camera's document is read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import ContractError

Point = tuple[float, float]

_SMALLEST_PIVOT = 1e-9
_SMALLEST_DETERMINANT = 1e-3


@dataclass(frozen=True)
class PlaneFit:
    """A fitted map: 3 rows of 3 numbers, from normalised picture coordinates to normalised metres."""

    rows: tuple[tuple[float, float, float], ...]
    image: "_Scale"
    metres: "_Scale"

    def depth(self, point: Point) -> float:
        """Return the homogeneous scale of a picture point: 0 on the horizon, and of the other sign beyond it."""
        x, y = self.image.apply(point)
        g, h, i = self.rows[2]
        return g * x + h * y + i

    def to_metres(self, point: Point) -> Point:
        """Return where a picture point lies on the ground, in metres. The point must not lie on the horizon."""
        x, y = self.image.apply(point)
        scale = self.depth(point)
        u, v = ((a * x + b * y + c) / scale for a, b, c in self.rows[:2])
        return self.metres.undo((u, v))


@dataclass(frozen=True)
class _Scale:
    """Moves points around the origin, at an average distance of 1 from it."""

    x: float
    y: float
    size: float

    @classmethod
    def of(cls, points: Sequence[Point]) -> "_Scale":
        x, y = (math.fsum(values) / len(points) for values in zip(*points, strict=True))
        size = math.fsum(math.dist(point, (x, y)) for point in points) / len(points)
        return cls(x, y, size)

    def apply(self, point: Point) -> Point:
        return (point[0] - self.x) / self.size, (point[1] - self.y) / self.size

    def undo(self, point: Point) -> Point:
        return point[0] * self.size + self.x, point[1] * self.size + self.y


def fit_plane(image: Sequence[Point], metres: Sequence[Point]) -> PlaneFit:
    """Fit the map to four point pairs or more; of more than four by least squares.

    Raises:
        ContractError: no map fits that has an inverse.
    """
    from_image, from_metres = _Scale.of(image), _Scale.of(metres)
    if not from_image.size or not from_metres.size:
        raise ContractError("all points are the same")
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(map(from_image.apply, image), map(from_metres.apply, metres), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    if len(rows) > 8:
        rows = [[math.fsum(row[i] * row[j] for row in rows) for j in range(9)] for i in range(8)]
    a, b, c, d, e, f, g, h = _solve(rows)
    fit = PlaneFit(((a, b, c), (d, e, f), (g, h, 1.0)), from_image, from_metres)
    if abs(a * (e - f * h) - b * (d - f * g) + c * (d * h - e * g)) < _SMALLEST_DETERMINANT:
        raise ContractError("the map has no inverse")
    return fit


def _solve(rows: list[list[float]]) -> list[float]:
    """Solve linear equations, whose last column is the right side, by elimination with partial pivoting.

    Raises:
        ContractError: there is no single solution.
    """
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        if not abs(rows[pivot][column]) > _SMALLEST_PIVOT:
            raise ContractError("the map has no inverse")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for row in range(column + 1, size):
            factor = rows[row][column] / rows[column][column]
            rows[row] = [low - factor * high for low, high in zip(rows[row], rows[column], strict=True)]
    solution = [0.0] * size
    for row in reversed(range(size)):
        known = math.fsum(rows[row][column] * solution[column] for column in range(row + 1, size))
        solution[row] = (rows[row][size] - known) / rows[row][row]
    return solution
