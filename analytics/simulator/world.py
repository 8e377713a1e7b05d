"""What happened in a simulated scene, and the truth about it: crossings, visits, occupancy."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.geometry import Line, Point, Polygon

Floats = NDArray[np.float64]

STEP_S = 0.05
"""People move in steps of this many seconds; the truth between two steps is a straight line."""


@dataclass(frozen=True)
class Scene:
    """A floor seen from straight above: every face 0.15 m wide, more or less, at the same scale everywhere."""

    width_m: float = 4.36
    height_m: float = 2.45
    width_px: int = 1280
    height_px: int = 720

    @property
    def px_per_m(self) -> float:
        """Pixels a metre."""
        return self.width_px / self.width_m

    def to_relative(self, positions_m: Floats) -> Floats:
        """Bring (n, 2) positions in metres to 0..1 of the picture."""
        relative: Floats = positions_m / np.array([self.width_m, self.height_m])
        return relative

    def to_metres(self, point: Point) -> Point:
        """Bring a point of the picture, 0..1, to metres."""
        return point[0] * self.width_m, point[1] * self.height_m


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where one person was: positions in metres, (n, 2), a step apart from `first_step` on; whether the face shows."""

    identity: int
    first_step: int
    positions_m: Floats
    shows_face: NDArray[np.bool_]
    face_m: float

    @property
    def start_s(self) -> float:
        """When the person appears, in seconds from the start of the scene."""
        return self.first_step * STEP_S

    @property
    def end_s(self) -> float:
        """When the person was there last."""
        return (self.first_step + len(self.positions_m) - 1) * STEP_S

    def times_s(self) -> Floats:
        """The times of the positions, (n,)."""
        return np.arange(self.first_step, self.first_step + len(self.positions_m), dtype=np.float64) * STEP_S

    def at(self, time_s: float) -> tuple[Point, bool] | None:
        """Return the position in metres at a time and whether the face shows, None where the person is not there."""
        if not self.start_s <= time_s <= self.end_s:
            return None
        step = time_s / STEP_S - self.first_step
        index = min(int(step), max(len(self.positions_m) - 2, 0))
        part = step - index
        after = self.positions_m[min(index + 1, len(self.positions_m) - 1)]
        x, y = (1 - part) * self.positions_m[index] + part * after
        return (float(x), float(y)), bool(self.shows_face[index])


@dataclass(frozen=True)
class Crossing:
    """Somebody passed a line."""

    identity: int
    at_s: float
    direction: str


@dataclass(frozen=True)
class Visit:
    """Somebody was in a zone, from the first step within to the last."""

    identity: int
    entered_s: float
    left_s: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.left_s - self.entered_s


@dataclass(frozen=True, eq=False)
class World:
    """All trajectories of a simulated scene, `duration_s` long."""

    scene: Scene
    duration_s: float
    trajectories: Sequence[Trajectory]
    served: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Of each person served in a queue: when they joined its end and when their service was over, in seconds."""

    def visible(self) -> list[int]:
        """Return the identities that were in the picture at some time."""
        whole = Polygon(((0, 0), (1, 0), (1, 1), (0, 1)))
        return sorted({visit.identity for visit in self.visits(whole)})

    def crossings(self, line: Line) -> list[Crossing]:
        """Return who passed a line when and which way, by time. Steps back of a quarter of a face's width are none."""
        found: list[Crossing] = []
        for trajectory in self.trajectories:
            points = self.scene.to_relative(trajectory.positions_m)
            sides = _sides(line, points) / self._length_m(line) * self.scene.width_m * self.scene.height_m
            clear = np.flatnonzero(np.abs(sides) >= trajectory.face_m / 4)
            for before, after in itertools.pairwise(clear.tolist()):
                if (sides[before] >= 0) == (sides[after] >= 0):
                    continue
                index = before + int(
                    np.flatnonzero((sides[before:after] >= 0) != (sides[before + 1 : after + 1] >= 0))[0]
                )
                start, end = (tuple(map(float, points[i])) for i in (index, index + 1))
                part = line.passed_at((start[0], start[1]), (end[0], end[1]))
                if part is not None:
                    at_s = (trajectory.first_step + index + part) * STEP_S
                    found.append(Crossing(trajectory.identity, at_s, "in" if sides[after] >= 0 else "out"))
        return sorted(found, key=lambda crossing: crossing.at_s)

    def _length_m(self, line: Line) -> float:
        (x0, y0), (x1, y1) = self.scene.to_metres(line.start), self.scene.to_metres(line.end)
        return math.hypot(x1 - x0, y1 - y0)

    def visits(self, zone: Polygon, shows_face: bool = False, gap_s: float = 1.0) -> list[Visit]:
        """Return who was in a zone from when to when; absences of up to `gap_s` are part of a visit.

        With `shows_face` only the time counts while the face shows.
        """
        found: list[Visit] = []
        for trajectory in self.trajectories:
            inside = _inside(zone, self.scene.to_relative(trajectory.positions_m))
            if shows_face:
                inside &= trajectory.shows_face
            times = trajectory.times_s()[inside]
            if not len(times):
                continue
            breaks = np.flatnonzero(np.diff(times) > gap_s)
            starts = np.concatenate([[0], breaks + 1])
            ends = np.concatenate([breaks, [len(times) - 1]])
            for start, end in zip(starts, ends, strict=True):
                found.append(Visit(trajectory.identity, float(times[start]), float(times[end])))
        return sorted(found, key=lambda visit: visit.entered_s)

    def occupancy(self, zone: Polygon, times_s: Sequence[float]) -> list[int]:
        """Return how many people were in a zone at each of the times."""
        counts = np.zeros(round(self.duration_s / STEP_S) + 2, int)
        for trajectory in self.trajectories:
            inside = _inside(zone, self.scene.to_relative(trajectory.positions_m))
            stop = min(trajectory.first_step + len(inside), len(counts))
            counts[trajectory.first_step : stop] += inside[: stop - trajectory.first_step]
        return [int(counts[min(round(time_s / STEP_S), len(counts) - 1)]) for time_s in times_s]


def _sides(line: Line, points: Floats) -> Floats:
    (x0, y0), (x1, y1) = line.start, line.end
    sides: Floats = (x1 - x0) * (points[:, 1] - y0) - (y1 - y0) * (points[:, 0] - x0)
    return sides


def _inside(zone: Polygon, points: Floats) -> NDArray[np.bool_]:
    """Whether each of (n, 2) points lies in a polygon, by the even-odd rule."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), bool)
    x0, y0 = zone.corners[-1]
    for x1, y1 in zone.corners:
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        x0, y0 = x1, y1
    return inside
