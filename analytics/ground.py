"""The ground plane: from the picture to metres."""

import math

from analytics.geometry import Point
from contracts.plane_fit import fit_plane

_NEAREST_HORIZON = 1e-3
"""Of the depth of the plane's first point: what lies nearer to the horizon is too far away to be measured."""


class GroundMap:
    """The projective map that takes points of the picture to points in metres, by four pairs of them or more.

    Raises:
        ContractError: no map fits that has an inverse.
    """

    def __init__(self, image: tuple[Point, ...], metres: tuple[Point, ...]) -> None:
        self._fit = fit_plane(image, metres)
        depth = self._fit.depth(image[0])
        self._below, self._least = math.copysign(1.0, depth), _NEAREST_HORIZON * abs(depth)

    def to_metres(self, point: Point) -> Point | None:
        """Return where a point of the picture (0..1) lies on the ground, in metres; None at the horizon and above."""
        if self._below * self._fit.depth(point) < self._least:
            return None
        return self._fit.to_metres(point)
