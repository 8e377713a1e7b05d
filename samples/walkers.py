"""Who walks where, and when: paths on the floor for people who cross, come closer, queue, stop, and walk away."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samples.figures import Pose
from samples.heads import STYLES
from samples.scene import FOCAL_PX, WIDTH, project

_AROUND_S = np.linspace(-0.5, 0.5, 7)  # a position is the mean over this: nobody turns on the spot
_PERSONAL_SPACE_M = 0.52
_STEP_S = 0.2
_MOST_FROM_BEHIND = 3

QUEUE_M = ((0.34, 4.5), (0.82, 4.55), (1.3, 4.6), (1.74, 4.65))
"""The places of the queue, its head first: x and z."""


@dataclass(frozen=True)
class Walker:
    """One person's way: key points (time in s, x and z in metres), walked in straight, smoothed lines."""

    identity: int
    style: str
    from_behind: bool
    keys: tuple[tuple[float, float, float], ...]
    gait_hz: float
    lean: float

    def present(self, time_s: float) -> bool:
        """Whether the person is anywhere near the picture."""
        return self.keys[0][0] <= time_s <= self.keys[-1][0]

    def position(self, time_s: float) -> tuple[float, float]:
        """Return x and z in metres."""
        times, xs, zs = zip(*self.keys, strict=True)
        around = time_s + _AROUND_S
        return float(np.interp(around, times, xs).mean()), float(np.interp(around, times, zs).mean())

    def pose(self, time_s: float) -> Pose:
        """Return how the person stands or strides at a time."""
        (x0, z0), (x1, z1) = self.position(time_s - 0.1), self.position(time_s + 0.1)
        vx, vz = (x1 - x0) / 0.2, (z1 - z0) / 0.2
        speed = math.hypot(vx, vz)
        stride = min(speed / 0.6, 1.0)
        sway = math.sin(time_s * 1.3 + self.identity * 2.1)
        turn = 0.0 if self.from_behind else max(-0.55, min(0.55, 0.45 * vx + 0.12 * sway))
        return Pose(
            phase=2 * math.pi * self.gait_hz * time_s + self.identity,
            stride=stride,
            sideways=vx / speed * stride if speed > 0.05 else 0.0,
            lean=self.lean + 0.012 * sway,
            turn=turn,
        )


def draw_walkers(rng: random.Random, duration_s: float, *, most: int) -> list[Walker]:
    """Make up a crowd: at no time more than `most` faces in the picture, and nobody walks through another."""
    crowd = _Crowd(duration_s, most)
    for keys in _queue(rng, duration_s):
        crowd.add(rng, keys, from_behind=False)
    kinds = (_cross, _approach, _pause, _away)
    for _ in range(700):
        kind = rng.choices(kinds, weights=(3, 4, 2, 1.6))[0]
        keys = kind(rng, rng.uniform(-7.0, duration_s - 1.0))
        if crowd.has_room(keys, from_behind=kind is _away):
            crowd.add(rng, keys, from_behind=kind is _away)
    return crowd.walkers


Keys = list[tuple[float, float, float]]


class _Crowd:
    """Those who walk already, with their places at every tick of the clip."""

    def __init__(self, duration_s: float, most: int) -> None:
        self.walkers: list[Walker] = []
        self._tracks: list[dict[int, tuple[float, float]]] = []
        self._duration_s = duration_s
        self._most = most

    def add(self, rng: random.Random, keys: Keys, *, from_behind: bool) -> None:
        """Make up a person who goes this way; one who has left before the clip begins is not kept."""
        styles = [style for style in STYLES for _ in range(1 if style in ("scarf", "bald") else 2)]
        style, gait_hz, lean = rng.choice(styles), rng.uniform(0.85, 1.05), rng.gauss(0, 0.012)
        walker = Walker(len(self.walkers), style, from_behind, tuple(keys), gait_hz, lean)
        track = self._track(walker)
        if track:
            self.walkers.append(walker)
            self._tracks.append(track)

    def has_room(self, keys: Keys, *, from_behind: bool) -> bool:
        """Whether someone can go this way without walking through another or making the picture too full."""
        if from_behind and sum(w.from_behind and _meet(w.keys, keys) for w in self.walkers) >= _MOST_FROM_BEHIND:
            return False
        for tick, (x, z) in self._track(Walker(-1, "own", from_behind, tuple(keys), 1.0, 0.0)).items():
            others = [(w, *track[tick]) for w, track in zip(self.walkers, self._tracks, strict=True) if tick in track]
            if any(math.hypot(x - ox, z - oz) < _PERSONAL_SPACE_M for _, ox, oz in others):
                return False
            faces = sum(not other.from_behind and in_picture(ox, oz) for other, ox, oz in others)
            if not from_behind and in_picture(x, z) and faces >= self._most:
                return False
        return True

    def _track(self, walker: Walker) -> dict[int, tuple[float, float]]:
        ticks = range(round(self._duration_s / _STEP_S))
        return {tick: walker.position(tick * _STEP_S) for tick in ticks if walker.present(tick * _STEP_S)}


def _meet(one: Sequence[tuple[float, float, float]], other: Sequence[tuple[float, float, float]]) -> bool:
    """Whether two people are there at the same time."""
    return one[0][0] < other[-1][0] and other[0][0] < one[-1][0]


def in_picture(x: float, z: float) -> bool:
    """Whether the head of someone who stands at x, z is in the picture."""
    column, row = project(x, 1.6, z)
    return 0 <= column < WIDTH and row < 720


def _edge(side: int, z: float, beyond_m: float = 0.45) -> float:
    """Return the x that lies just outside the picture at the depth z."""
    return side * (WIDTH / 2 / FOCAL_PX * z + beyond_m)


def _walk(start_s: float, points: Sequence[tuple[float, float]], speed: float) -> Keys:
    """Walk through `points` (x, z) at a steady speed in metres a second."""
    keys = [(start_s, *points[0])]
    for x, z in points[1:]:
        time_s, last_x, last_z = keys[-1]
        keys.append((time_s + math.hypot(x - last_x, z - last_z) / speed, x, z))
    return keys


def _cross(rng: random.Random, start_s: float) -> Keys:
    side = rng.choice((-1, 1))
    z1, z2 = rng.uniform(2.7, 4.0), rng.uniform(2.7, 4.0)
    return _walk(start_s, [(_edge(side, z1), z1), (_edge(-side, z2), z2)], rng.uniform(0.5, 0.8))


def _approach(rng: random.Random, start_s: float) -> Keys:
    side = rng.choice((-1, 1))
    z = rng.uniform(4.6, 5.6)
    turn_x, turn_z = rng.uniform(-0.9, 0.7), rng.uniform(3.8, 4.4)
    points = [(_edge(side, z), z), (turn_x, turn_z), (rng.uniform(-0.6, 0.6), 1.45)]
    return _walk(start_s, points, rng.uniform(0.55, 0.8))


def _pause(rng: random.Random, start_s: float) -> Keys:
    side = rng.choice((-1, 1))
    z = rng.uniform(3.6, 5.2)
    stop_x, stop_z = rng.uniform(-1.3, 0.1), rng.uniform(3.2, 5.0)
    coming = _walk(start_s, [(_edge(side, z), z), (stop_x, stop_z)], rng.uniform(0.55, 0.8))
    leave_z = rng.uniform(3.0, 4.2)
    going = _walk(
        coming[-1][0] + rng.uniform(3.0, 7.0),
        [(stop_x, stop_z), (_edge(rng.choice((-1, 1)), leave_z), leave_z)],
        rng.uniform(0.5, 0.8),
    )
    return coming + going


def _away(rng: random.Random, start_s: float) -> Keys:
    side = rng.choice((-1, 1))
    z = rng.uniform(5.6, 6.8)
    far_z = rng.uniform(8.6, 10.4)
    points = [
        (_edge(side, z), z),
        (rng.uniform(-1.5, 1.5), rng.uniform(7.0, 8.0)),
        (_edge(rng.choice((-1, 1)), far_z), far_z),
    ]
    return _walk(start_s, points, rng.uniform(0.7, 1.0))


def _queue(rng: random.Random, duration_s: float) -> list[Keys]:
    """Return the ways of those who queue: one leaves every few seconds, all others step forward."""
    ways: list[Keys] = []
    service_s = [-1.0]
    while service_s[-1] < duration_s:
        service_s.append(service_s[-1] + rng.uniform(3.6, 5.0))
    for turn, leaves_s in enumerate(service_s):
        place = len(QUEUE_M) - 1
        arrives_s = service_s[turn - place] + 0.9 if turn >= place else -10.0 + turn
        x, z = QUEUE_M[place]
        speed = rng.uniform(0.5, 0.7)
        keys = _walk(0.0, [(_edge(1, z, 0.5), z + 0.05), (x, z)], speed)
        shift = arrives_s - keys[-1][0]
        keys = [(time_s + shift, kx, kz) for time_s, kx, kz in keys]
        for step in range(1, place + 1):
            moves_s = (
                service_s[turn - place + step - 1] if turn - place + step - 1 >= 0 else -9.0 + turn + step
            ) + 0.3 * step
            moves_s = max(moves_s, keys[-1][0] + 0.1)
            keys += [(moves_s, *QUEUE_M[place - step + 1]), (moves_s + 1.0, *QUEUE_M[place - step])]
        leaves_s = max(leaves_s, keys[-1][0] + 0.1)
        side_z = rng.uniform(3.2, 3.8)
        out = rng.choice(([(0.0, 3.6), (0.1, 1.45)], [(-0.3, 3.9), (_edge(-1, side_z), side_z)]))
        keys += _walk(leaves_s, [QUEUE_M[0], *out], rng.uniform(0.6, 0.8))
        ways.append(keys)
    return ways
