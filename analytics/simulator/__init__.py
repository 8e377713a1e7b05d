"""A crowd whose truth is known: people with paths, and a detector that misses, errs and trembles."""

from analytics.simulator.detector import DetectorNoise, SimulatedFrame, detect
from analytics.simulator.motion import Leg, Person, QueuePlan, simulate
from analytics.simulator.world import Crossing, Scene, Visit, World

__all__ = [
    "Crossing",
    "DetectorNoise",
    "Leg",
    "Person",
    "QueuePlan",
    "Scene",
    "SimulatedFrame",
    "Visit",
    "World",
    "detect",
    "simulate",
]
