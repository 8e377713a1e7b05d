"""Scenes with a purpose: people who cross, a queue that is served, a display, an intrusion, a gathering, an exit."""

import math

import numpy as np

from analytics.geometry import Point
from analytics.simulator.motion import Leg, Person, simulate
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
    face_m = float(0.15 * math.exp(random.normal(0, 0.08)))
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
