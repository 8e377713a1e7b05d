"""Distancing: pairs that stand nearer than a limit, and for how long."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analytics.ground import GroundMap
from analytics.state import Stateful
from analytics.tracking import TrackPoint

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

    def distance_m(self, a: TrackPoint, b: TrackPoint) -> float:
        """Return the distance of two faces, in metres."""
        if self._ground is None:
            return math.hypot(a.x - b.x, a.y - b.y) / ((a.width + b.width) / 2) * FACE_M
        return math.dist(*(self._ground.to_metres((one.x / self._width, one.y / self._height)) for one in (a, b)))

    def update(self, points: Sequence[TrackPoint], at_s: float) -> Distances:
        """Take the faces of a frame."""
        violations, near = [], 0
        for index, a in enumerate(points):
            for b in points[index + 1 :]:
                metres = self.distance_m(a, b)
                if metres >= self._limit_m:
                    continue
                near += 1
                first, second = sorted((a.track_id, b.track_id))
                pair = self._near.setdefault(f"{first}-{second}", [at_s, at_s, 0])
                pair[1] = at_s
                if not pair[2] and at_s - pair[0] >= _LASTING_S:
                    pair[2] = 1
                    violations.append(TooNear((first, second), at_s, metres))
        self._near = {key: pair for key, pair in self._near.items() if at_s - pair[1] <= _FORGET_S}
        return Distances(len(points) * (len(points) - 1) // 2, near, violations)
