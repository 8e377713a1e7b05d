"""How simulated people move: towards their goals, slowing down before they stop, keeping out of each other's way.

After the social force model (Helbing and Molnar 1995): a driving force towards the wanted velocity, a repulsion between
people, a little noise; and the sum never above what legs can do.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from analytics.geometry import Point
from analytics.simulator.world import STEP_S, Floats, Scene, Trajectory, World

MOST_ACCELERATION = 2.0
"""m/s2."""

_RELAXATION_S = 0.4
_BRAKING = 0.9  # m/s2, chosen well below the limit: people see where they stop
_PERSONAL_SPACE_M = 0.5
_REPULSION = 2.0  # m/s2 at no distance
_NOISE = 0.4  # m/s2
_NOISE_S = 0.5
_PASSED_M = 0.3
_REACHED_M = 0.15


@dataclass(frozen=True)
class Leg:
    """One part of a way: go to a point (metres) at a speed (m/s), stand there for a time, then go on.

    With `queue` the goal is that queue's end, and the leg ends when the person has been served. `until_s` lets a stay
    end at a time of the scene. `shows_face` tells whether the camera sees the face during the leg.
    """

    goal_m: Point
    speed: float = 1.2
    stay_s: float = 0.0
    until_s: float = 0.0
    queue: str | None = None
    shows_face: bool = True


@dataclass(frozen=True)
class Person:
    """Somebody who appears at a time and place and has a way to go; gone at its end."""

    appears_s: float
    start_m: Point
    legs: tuple[Leg, ...]
    face_m: float = 0.15


@dataclass(frozen=True)
class QueuePlan:
    """A queue: its head in metres, the direction in which it grows (a unit vector), and how long each service takes."""

    head_m: Point
    grows: Point
    service_s: Callable[[np.random.Generator], float]
    spacing_m: float = 0.55

    def place(self, rank: int) -> Point:
        """Where the person of a rank (0 is served) stands, in metres."""
        reach = rank * self.spacing_m
        return self.head_m[0] + reach * self.grows[0], self.head_m[1] + reach * self.grows[1]


@dataclass
class _Walker:
    identity: int
    person: Person
    leg: int = 0
    arrived_s: float | None = None
    queued: bool = False


@dataclass
class _Line:
    plan: QueuePlan
    members: list[int] = field(default_factory=list)
    served_until_s: float | None = None


def simulate(
    people: Sequence[Person],
    duration_s: float,
    seed: int,
    scene: Scene | None = None,
    queues: dict[str, QueuePlan] | None = None,
) -> World:
    """Let people walk for `duration_s` seconds; the same seed gives the same world."""
    return _Simulation(people, seed, queues or {}).run(duration_s, scene or Scene())


class _Simulation:
    """The state of all who are there, in parallel arrays by row; `_walkers` has the same rows."""

    def __init__(self, people: Sequence[Person], seed: int, queues: dict[str, QueuePlan]) -> None:
        self._random = np.random.default_rng(seed)
        self._waiting = sorted(enumerate(people), key=lambda item: -item[1].appears_s)
        self._faces = [person.face_m for person in people]
        self._queues = {name: _Line(plan) for name, plan in queues.items()}
        self._walkers: list[_Walker] = []
        self._position = np.zeros((0, 2))
        self._velocity = np.zeros((0, 2))
        self._noise = np.zeros((0, 2))
        self._rows: list[tuple[int, list[int], Floats, list[bool]]] = []
        self._joined: dict[int, float] = {}
        self._served: dict[int, tuple[float, float]] = {}

    def run(self, duration_s: float, scene: Scene) -> World:
        """Step to the end and return what happened."""
        for step in range(int(duration_s / STEP_S) + 1):
            now_s = step * STEP_S
            self._appear(now_s)
            if self._walkers:
                self._move(now_s)
                self._record(step)
                self._advance(now_s)
        return World(scene, duration_s, self._trajectories(), self._served)

    def _appear(self, now_s: float) -> None:
        while self._waiting and self._waiting[-1][1].appears_s <= now_s:
            identity, person = self._waiting.pop()
            self._walkers.append(_Walker(identity, person))
            goal, start = person.legs[0].goal_m, person.start_m
            way = np.array([goal[0] - start[0], goal[1] - start[1]])
            speed = person.legs[0].speed if math.dist(goal, start) > 0.5 else 0.0
            velocity = way / max(float(np.hypot(*way)), 1e-9) * speed
            self._position = np.vstack([self._position, [start]])
            self._velocity = np.vstack([self._velocity, [velocity]])
            self._noise = np.vstack([self._noise, [[0.0, 0.0]]])

    def _move(self, now_s: float) -> None:
        goals, speeds, stops = self._goals(now_s)
        way = goals - self._position
        distance = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-6)
        speeds = np.where(stops, np.minimum(speeds, np.sqrt(2 * _BRAKING * np.maximum(distance - 0.05, 0))), speeds)
        wanted = way / distance[:, None] * speeds[:, None]
        keep = math.exp(-STEP_S / _NOISE_S)
        fresh = self._random.normal(0, _NOISE * math.sqrt(1 - keep * keep), self._noise.shape)
        self._noise = keep * self._noise + fresh
        moving = np.minimum(speeds, 1.0)[:, None]
        acceleration = (wanted - self._velocity) / _RELAXATION_S + self._noise * moving + self._repulsion()
        size = np.maximum(np.hypot(acceleration[:, 0], acceleration[:, 1]), 1e-9)
        acceleration *= np.minimum(1, MOST_ACCELERATION / size)[:, None]
        self._velocity = self._velocity + acceleration * STEP_S
        self._position = self._position + self._velocity * STEP_S

    def _repulsion(self) -> Floats:
        """People nearer than their personal space step apart, and to their right."""
        apart = self._position[:, None] - self._position[None]
        distance = np.hypot(apart[..., 0], apart[..., 1])
        np.fill_diagonal(distance, np.inf)
        strength = np.where(distance < _PERSONAL_SPACE_M, _REPULSION * (1 - distance / _PERSONAL_SPACE_M), 0)
        unit = apart / np.maximum(distance, 1e-6)[..., None]
        unit[np.isinf(distance)] = 0
        sideways = np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
        force: Floats = (strength[..., None] * (unit + 0.5 * sideways)).sum(axis=1)
        return force

    def _goals(self, now_s: float) -> tuple[Floats, Floats, np.ndarray]:
        goals, speeds, stops = [], [], []
        for walker in self._walkers:
            leg = walker.person.legs[walker.leg]
            goal, stop = leg.goal_m, leg.stay_s > 0 or leg.until_s > now_s
            if leg.queue is not None:
                queue = self._queues[leg.queue]
                rank = queue.members.index(walker.identity) if walker.queued else len(queue.members)
                goal, stop = queue.plan.place(rank), True
            goals.append(goal)
            speeds.append(leg.speed)
            stops.append(stop)
        return np.array(goals), np.array(speeds), np.array(stops)

    def _advance(self, now_s: float) -> None:
        """Let those who have reached their goal stay, be served, go on, or leave."""
        speed = np.hypot(self._velocity[:, 0], self._velocity[:, 1])
        gone = []
        for row, walker in enumerate(self._walkers):
            leg = walker.person.legs[walker.leg]
            if leg.queue is not None:
                done = self._wait_in_line(walker, self._queues[leg.queue], self._position[row], now_s)
            else:
                distance = math.dist(self._position[row], leg.goal_m)
                stays = leg.stay_s > 0 or leg.until_s > now_s
                if walker.arrived_s is None and distance < (_REACHED_M * 2 if stays else _PASSED_M):
                    if not stays or speed[row] < 0.3:
                        walker.arrived_s = now_s
                done = walker.arrived_s is not None and now_s >= max(walker.arrived_s + leg.stay_s, leg.until_s)
            if done:
                walker.leg, walker.arrived_s = walker.leg + 1, None
                if walker.leg == len(walker.person.legs):
                    gone.append(row)
        if gone:
            self._walkers = [walker for row, walker in enumerate(self._walkers) if row not in gone]
            self._position, self._velocity, self._noise = (
                np.delete(array, gone, axis=0) for array in (self._position, self._velocity, self._noise)
            )

    def _wait_in_line(self, walker: _Walker, line: _Line, position: Floats, now_s: float) -> bool:
        """Join the end of the line when near it, be served at its head; returns whether the service is over."""
        if not walker.queued:
            if math.dist(position, line.plan.place(len(line.members))) < 0.6:
                line.members.append(walker.identity)
                walker.queued = True
                self._joined[walker.identity] = now_s
            return False
        if line.members[0] != walker.identity:
            return False
        if line.served_until_s is None:
            if math.dist(position, line.plan.head_m) < 0.35:
                line.served_until_s = now_s + line.plan.service_s(self._random)
            return False
        if now_s < line.served_until_s:
            return False
        line.members.pop(0)
        line.served_until_s = None
        walker.queued = False
        self._served[walker.identity] = (self._joined[walker.identity], now_s)
        return True

    def _record(self, step: int) -> None:
        shows = [walker.person.legs[walker.leg].shows_face for walker in self._walkers]
        self._rows.append((step, [walker.identity for walker in self._walkers], self._position.copy(), shows))

    def _trajectories(self) -> list[Trajectory]:
        steps: dict[int, int] = {}
        positions: dict[int, list[Floats]] = {}
        shows: dict[int, list[bool]] = {}
        for step, identities, rows, shown in self._rows:
            for identity, position, face in zip(identities, rows, shown, strict=True):
                steps.setdefault(identity, step)
                positions.setdefault(identity, []).append(position)
                shows.setdefault(identity, []).append(face)
        return [
            Trajectory(identity, steps[identity], np.array(way), np.array(shows[identity]), self._faces[identity])
            for identity, way in sorted(positions.items())
        ]
