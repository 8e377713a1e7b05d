"""Distancing: pairs that stand nearer than a limit, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.ground import GroundMap
from analytics.state import Stateful
from analytics.tracking import TrackPoint

Floats = NDArray[np.float64]

FACE_M = 0.15
"""The width of a face, in metres: the scale where no ground plane is given."""

_LASTING_S = 3.0
_FORGET_S = 3.0


@dataclass(frozen=True)
class TooNear:
    """Two tracks have been nearer than the limit for three seconds."""

    track_ids: tuple[int, int]
    at_s: float
    metres: float


@dataclass(frozen=True)
class Distances:
    """What a frame showed: pairs in all, pairs nearer than the limit, and pairs that have now lasted too long."""

    pairs: int
    near: int
    violations: Sequence[TooNear]


class Distancing(Stateful):
    """The distances of one camera's people.

    With a ground plane, given at the height of the faces, each face is placed on it. Without, people are taken to be at
    one depth: distances are those in the picture, in face widths of 0.15 m.
    """

    STATE = ("_near",)

    def __init__(self, limit_m: float, image_size: tuple[int, int], ground: GroundMap | None = None) -> None:
        self._limit_m = limit_m
        self._width, self._height = image_size
        self._ground = ground
        self._near: dict[str, list[float]] = {}  # of each near pair: since when, last seen, 1 when reported

    def distances_m(self, points: Sequence[TrackPoint]) -> Floats:
        """Return the distances of (n) faces from each other in metres, (n, n)."""
        if self._ground is None:
            places = np.array([(one.x, one.y) for one in points]).reshape(-1, 2)
            widths = np.array([one.width for one in points])
            scale: Floats | float = (widths[:, None] + widths) / (2 * FACE_M)
        else:
            relative = [(one.x / self._width, one.y / self._height) for one in points]
            places = np.array([self._ground.to_metres(place) for place in relative]).reshape(-1, 2)
            scale = 1.0
        apart = places[:, None] - places
        distances: Floats = np.sqrt((apart * apart).sum(axis=2)) / scale
        return distances

    def update(self, points: Sequence[TrackPoint], at_s: float) -> Distances:
        """Take the faces of a frame."""
        distances = self.distances_m(points)
        violations: list[TooNear] = []
        near = [(a, b) for a, b in np.argwhere(distances < self._limit_m).tolist() if a < b]
        for a, b in near:
            first, second = sorted((points[a].track_id, points[b].track_id))
            pair = self._near.setdefault(f"{first}-{second}", [at_s, at_s, 0])
            pair[1] = at_s
            if not pair[2] and at_s - pair[0] >= _LASTING_S:
                pair[2] = 1
                violations.append(TooNear((first, second), at_s, float(distances[a, b])))
        self._near = {key: pair for key, pair in self._near.items() if at_s - pair[1] <= _FORGET_S}
        return Distances(len(points) * (len(points) - 1) // 2, len(near), violations)
