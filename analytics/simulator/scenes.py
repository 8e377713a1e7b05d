"""Scenes with a purpose: people who cross, a queue that is served, a display, an intrusion, a gathering, an exit."""

import math
from collections.abc import Sequence

import numpy as np

from analytics.geometry import Point
from analytics.simulator.motion import Leg, Person, QueuePlan, simulate
from analytics.simulator.world import Scene, World

FACE_WIDTHS_A_SECOND = (3.0, 10.0)
"""Walking speeds in face widths of 0.15 m: 0.45 to 1.5 m/s."""


def crossing(people: int, seed: int, people_a_second: float = 1.0, scene: Scene | None = None) -> World:
    """Let people cross the picture from edge to edge at 3 to 10 face widths a second.

    Half go straight through; the rest turn off, or slow down to a stop of one to three seconds and go on.
    """
    scene = scene or Scene()
    random = np.random.default_rng(seed)
    planned, time_s = [], 0.0
    for _ in range(people):
        time_s += float(random.exponential(1 / people_a_second))
        planned.append(passer_by(random, scene, time_s))
    return simulate(planned, time_s + 12, seed, scene)


def passer_by(random: np.random.Generator, scene: Scene, appears_s: float) -> Person:
    """Plan somebody who enters at one edge and leaves at another."""
    sides = ("left", "right", "top", "bottom")
    enters = str(random.choice(sides, p=(0.35, 0.35, 0.15, 0.15)))
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[enters]
    turned = str(random.choice([side for side in sides if side not in (enters, opposite)]))
    leaves = opposite if random.random() < 0.8 else turned
    face_m = face(random)
    speed = 0.15 * float(random.uniform(*FACE_WIDTHS_A_SECOND))
    legs = []
    if random.random() < 0.5:
        between = (
            float(random.uniform(0.2, 0.8)) * scene.width_m,
            float(random.uniform(0.2, 0.8)) * scene.height_m,
        )
        stay_s = float(random.uniform(1, 3)) if random.random() < 0.5 else 0.0
        legs.append(Leg(between, speed, stay_s))
    legs.append(Leg(edge_point(random, scene, leaves), speed))
    return Person(appears_s, edge_point(random, scene, enters), tuple(legs), face_m)


def edge_point(random: np.random.Generator, scene: Scene, side: str, beyond_m: float = 0.5) -> Point:
    """Choose a point outside the picture, `beyond_m` from one of its edges."""
    if side in ("left", "right"):
        x = -beyond_m if side == "left" else scene.width_m + beyond_m
        return x, float(random.uniform(0.12, 0.88)) * scene.height_m
    y = -beyond_m if side == "top" else scene.height_m + beyond_m
    return float(random.uniform(0.12, 0.88)) * scene.width_m, y


def queueing(seed: int, duration_s: float = 600.0, every_s: float = 9.0, service_s: float = 7.0) -> World:
    """Let people join a queue about every `every_s` seconds, be served in about `service_s`, and leave.

    The queue stands on the line y = 1.2 m, its head at x = 0.8 m.
    """
    scene = Scene()
    random = np.random.default_rng(seed)
    people, time_s = [], 1.0
    while time_s < duration_s - 60:
        legs = (Leg((2.5, 1.2), queue="till"), Leg((0.4, -0.6), 1.0))
        people.append(Person(time_s, (scene.width_m + 0.5, 1.2 + float(random.normal(0, 0.2))), legs, face(random)))
        time_s += float(random.gamma(4, every_s / 4))
    plan = QueuePlan((0.8, 1.2), (1.0, 0.0), lambda source: float(source.gamma(4, service_s / 4)))
    return simulate(people, duration_s, seed, scene, {"till": plan})


def intrusions(seed: int, times_s: Sequence[float], duration_s: float, passers: int = 0) -> World:
    """Let somebody walk into the lower right corner of the picture at each time and stay eight seconds.

    `passers` walk through the upper half meanwhile.
    """
    scene = Scene()
    random = np.random.default_rng(seed)
    people = []
    for time_s in times_s:
        goal = (float(random.uniform(3.5, 4.1)), float(random.uniform(1.8, 2.2)))
        people.append(Person(time_s, (5.2, 2.0), (Leg(goal, 1.2, 8.0), Leg((5.2, 2.0), 1.2)), face(random)))
    for number in range(passers):
        time_s = (number + float(random.random())) * duration_s / passers
        ends = [(-0.5, float(random.uniform(0.2, 1.0))), (4.9, float(random.uniform(0.2, 1.0)))]
        start, goal = ends if random.random() < 0.5 else ends[::-1]
        people.append(Person(time_s, start, (Leg(goal, float(random.uniform(0.5, 1.5))),), face(random)))
    return simulate(people, duration_s, seed, scene)


def gathering(seed: int, people: int, starts_s: float, ends_s: float, duration_s: float) -> World:
    """Let people come from the edges, stand together in the middle of a wide hall from one time to another, and go."""
    scene = Scene(8.72, 4.9)
    random = np.random.default_rng(seed)
    planned = []
    for number in range(people):
        angle = 2 * math.pi * number / people
        place = (4.36 + 0.45 * math.cos(angle), 2.45 + 0.45 * math.sin(angle))
        start = edge_point(random, scene, str(random.choice(("left", "right", "top", "bottom"))))
        leaves = edge_point(random, scene, str(random.choice(("left", "right"))))
        legs = (Leg(place, 1.3, until_s=ends_s + float(random.uniform(0, 2))), Leg(leaves, 1.4))
        planned.append(Person(starts_s + float(random.uniform(0, 4)), start, legs, face(random)))
    planned += [passer_by(random, scene, float(random.uniform(0, duration_s - 10))) for _ in range(int(duration_s / 6))]
    return simulate(planned, duration_s, seed, scene)


def leaving(seed: int, duration_s: float, closed_s: tuple[float, float] | None = None) -> World:
    """Let people leave one after the other by an exit at the left edge; while it is closed they stand before it."""
    scene = Scene()
    random = np.random.default_rng(seed)
    people, time_s, waiting = [], 0.0, 0
    while time_s < duration_s - 15:
        y = float(random.uniform(0.9, 1.6))
        legs = [Leg((-0.6, y), float(random.uniform(0.9, 1.4)))]
        if closed_s is not None and closed_s[0] <= time_s + 2 < closed_s[1]:
            place = (0.4 + 0.5 * (waiting % 3), 0.5 + 0.5 * (waiting // 3 % 4))
            legs.insert(0, Leg(place, 1.2, until_s=closed_s[1] + 0.7 * waiting))
            waiting += 1
        people.append(Person(time_s, (4.9, y), tuple(legs), face(random)))
        time_s += float(random.gamma(4, 2.5 / 4))
    return simulate(people, duration_s, seed, scene)


def face(random: np.random.Generator) -> float:
    """Draw the width of a face, in metres."""
    return float(0.15 * math.exp(random.normal(0, 0.08)))
