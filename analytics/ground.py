"""The ground plane: from the picture to metres, by four points (Hartley and Zisserman 2004, section 4.1)."""

import numpy as np

from analytics.geometry import Point
from contracts.errors import ContractError


class GroundMap:
    """The projective map that takes four points of the picture to four points in metres."""

    def __init__(self, image: tuple[Point, ...], metres: tuple[Point, ...]) -> None:
        if len(image) != 4 or len(metres) != 4:
            raise ContractError(f"expected 4 points each, got {len(image)} and {len(metres)}")
        rows, values = [], []
        for (x, y), (u, v) in zip(image, metres, strict=True):
            rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
            values += [u, v]
        try:
            solution = np.linalg.solve(np.array(rows, np.float64), np.array(values, np.float64))
        except np.linalg.LinAlgError as error:
            raise ContractError(f"no three of four points may lie on one line: {image}, {metres}") from error
        self._map = [float(number) for number in solution]

    def to_metres(self, point: Point) -> Point:
        """Return where a point of the picture (0..1) lies on the ground, in metres."""
        a, b, c, d, e, f, g, h = self._map
        x, y = point
        scale = g * x + h * y + 1
        return (a * x + b * y + c) / scale, (d * x + e * y + f) / scale
