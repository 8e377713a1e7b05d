"""Distancing: pairs that stand nearer than a limit, and for how long."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from analytics.ground import GroundMap
from analytics.state import Stateful
from analytics.tracking import TrackPoint

FACE_M = 0.15
"""The width of a face, in metres: the scale where no ground plane is given."""

_LASTING_S = 3.0
_FORGET_S = 3.0


@dataclass(frozen=True)
class TooNear:
    """A track has been nearer to others than the limit for three seconds; the first id is its own, the least."""

    track_ids: tuple[int, ...]
    at_s: float
    metres: float


class Distances(msgspec.Struct, frozen=True):
    """What a frame showed: pairs in all, pairs nearer than the limit, and pairs that have now lasted too long."""

    pairs: int
    near: int
    violations: Sequence[TooNear]


class Distancing(Stateful):
    """The distances of one camera's people.

    With a ground plane, given at the height of the faces, each face is placed on it; one at the horizon or above it is
    near to nobody. Without, people are taken to be at
    one depth: distances are those in the picture, in face widths of 0.15 m.
    """

    STATE = ("_near",)

    def __init__(
        self,
        limit_m: float,
        image_size: tuple[int, int],
        ground: GroundMap | None = None,
        lasting_s: float = _LASTING_S,
    ) -> None:
        self._limit_m = limit_m
        self._lasting_s = lasting_s
        self._width, self._height = image_size
        self._ground = ground
        self._near: dict[str, list[float]] = {}  # of each near pair: since when, last seen, 1 when reported

    def near_pairs(self, points: Sequence[TrackPoint]) -> list[tuple[int, int, float]]:
        """Return the pairs of faces, by their index, that are nearer than the limit, and their distances in metres."""
        if self._ground is None:
            places = sorted((point.x, point.y, point.width, index) for index, point in enumerate(points))
        else:
            found = (self._ground.to_metres((point.x / self._width, point.y / self._height)) for point in points)
            places = sorted((*place, FACE_M, index) for index, place in enumerate(found) if place is not None)
        # without a plane distances are in pixels: FACE_M for each mean width of the two
        widest = max((width for _, _, width, _ in places), default=0.0) * self._limit_m / FACE_M
        near = []
        for number, (x, y, width, index) in enumerate(places):
            for other in range(number + 1, len(places)):
                other_x, other_y, other_width, other_index = places[other]
                if other_x - x > widest:
                    break
                if not -widest <= other_y - y <= widest:
                    continue
                metres = math.hypot(other_x - x, other_y - y) * 2 * FACE_M / (width + other_width)
                if metres < self._limit_m:
                    near.append((index, other_index, metres))
        return near

    def update(self, points: Sequence[TrackPoint], at_s: float) -> Distances:
        """Take the faces of a frame."""
        lasting: dict[int, dict[int, float]] = {}
        near = self.near_pairs(points)
        for a, b, metres in near:
            first, second = points[a].track_id, points[b].track_id
            if second < first:
                first, second = second, first
            key = f"{first}-{second}"
            pair = self._near.get(key)
            if pair is None:
                pair = self._near[key] = [at_s, at_s, 0]
            pair[1] = at_s
            if not pair[2] and at_s - pair[0] >= self._lasting_s:
                pair[2] = 1
                lasting.setdefault(first, {})[second] = metres
        violations = [
            TooNear((first, *sorted(others)), at_s, min(others.values())) for first, others in lasting.items()
        ]
        gone = [key for key, pair in self._near.items() if at_s - pair[1] > _FORGET_S]
        for key in gone:
            del self._near[key]
        return Distances(len(points) * (len(points) - 1) // 2, len(near), violations)
