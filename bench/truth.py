"""The analytics against the simulator's truth: 10 % of the faces missed, 2 % false, five frames a second.

    python -m bench.truth [--seeds 20] [--hours 1]

Each figure is the mean over the seeds of the error of one scene of several minutes; alarms are counted over `--hours`
simulated hours of people who pass by and stop. Writes bench/results/truth.json.
"""

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from analytics.camera import CameraAnalytics, CameraUpdate
from analytics.geometry import Line, Polygon
from analytics.simulator import World, detect
from analytics.simulator.records import to_record
from analytics.simulator.scenes import crossing, gathering, intrusions, leaving, queueing
from contracts.cameras import Camera
from contracts.events import EventKind
from contracts.faces import ImageSize

RESULTS = Path(__file__).resolve().parent / "results/truth.json"
FPS = 5
START_S = 1_764_000_000.0
WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
MIDDLE = [[0.25, 0], [0.75, 0], [0.75, 1], [0.25, 1]]
TILL = [[0.12, 0.35], [0.97, 0.35], [0.97, 0.65], [0.12, 0.65]]
CORNER = [[0.72, 0.65], [1, 0.65], [1, 1], [0.72, 1]]
EXIT = [[0, 0.1], [0.45, 0.1], [0.45, 0.95], [0, 0.95]]
DOOR = Line((0.5, 0.0), (0.5, 1.0))


def analyse(
    world: World, seed: int, zones: dict[str, tuple[list[list[float]], list[str]]]
) -> tuple[CameraUpdate, CameraAnalytics]:
    """Run a world through a camera with a door in the middle and these zones; return all it found, and itself."""
    named = [
        {"name": name, "polygon": polygon, "roles": roles, "minimum_stay_s": 3 if "queue" in roles else 2}
        for name, (polygon, roles) in zones.items()
    ]
    door = {"name": "door", "from": [0.5, 0], "to": [0.5, 1]}
    analytics = CameraAnalytics(Camera.from_dict({"camera_id": "scene", "zones": named, "lines": [door]}))
    size, whole = ImageSize(world.scene.width_px, world.scene.height_px), CameraUpdate()
    for frame in detect(world, FPS, seed, start_s=START_S):
        update = analytics.update(to_record(frame, "scene", size))
        whole.events += update.events
        whole.occupancy += update.occupancy
    return whole, analytics


def passers_by(seed: int) -> Iterator[tuple[str, float]]:
    """Counts, dwell, occupancy and attendance of 120 people."""
    world = crossing(120, seed)
    found, analytics = analyse(world, seed, {"middle": (MIDDLE, ["density"])})
    counted = Counter(event.direction for event in found.events if event.kind is EventKind.LINE_CROSSED)
    passages = Counter(passage.direction for passage in world.crossings(DOOR))
    for direction in ("in", "out"):
        yield f"crossings_{direction}", (counted[direction] - passages[direction]) / passages[direction]
    middle = _polygon(MIDDLE)
    dwell = [event.value["dwell_s"] for event in found.events if event.kind is EventKind.ZONE_LEFT]
    true_dwell = statistics.fmean(visit.seconds for visit in world.visits(middle))
    yield "dwell", statistics.fmean(dwell) / true_dwell - 1
    truth = world.occupancy(middle, [second.at_s - START_S for second in found.occupancy])
    yield (
        "occupancy_persons",
        statistics.fmean(abs(second.count - true) for second, true in zip(found.occupancy, truth, strict=True)),
    )
    people = len(world.visible())
    yield "attendance", analytics.unique / people - 1


def waiting(seed: int) -> Iterator[tuple[str, float]]:
    """Waiting time in a queue of ten minutes."""
    world = queueing(seed)
    found, _ = analyse(world, seed, {"till": (TILL, ["queue"])})
    waits = [event.value["wait_s"] for event in found.events if event.kind is EventKind.QUEUE_LEFT]
    true = [visit.seconds for visit in world.visits(_polygon(TILL)) if visit.seconds >= 3]
    yield "waiting_time", statistics.fmean(waits) / statistics.fmean(true) - 1


def alarms(seed: int) -> Iterator[tuple[str, float]]:
    """Planned intrusions, a gathering and a blocked exit: which part is found, and how many alarms are false."""
    world = intrusions(seed, (20, 80, 140), 180, passers=60)
    planned = [visit for visit in world.visits(_polygon(CORNER)) if visit.seconds >= 2.5]
    found = [
        e.at.timestamp() - START_S
        for e in _of(analyse(world, seed, {"vault": (CORNER, ["restricted"])})[0], "intrusion")
    ]
    late = [min((at - visit.entered_s - 2 for at in found if at > visit.entered_s), default=99.0) for visit in planned]
    yield "intrusions_in_time", sum(delay <= 2 for delay in late) / len(planned)
    yield "intrusions_false", len(found) - len(planned)
    kinds = [e.kind.value for e in analyse(gathering(seed, 7, 20, 50, 80), seed, {})[0].events]
    yield "gathering_found", kinds.count("gathering") == 1
    jams = _of(analyse(leaving(seed, 100, (30, 65)), seed, {"exit": (EXIT, ["exit"])})[0], "bottleneck")
    yield "blocked_exit_found", len(jams) == 1
    jams = _of(analyse(leaving(seed, 100), seed, {"exit": (EXIT, ["exit"])})[0], "bottleneck")
    yield "open_exit_alarms", len(jams)


def quiet(seed: int, hours: float) -> Iterator[tuple[str, float]]:
    """False gatherings and bottlenecks where nothing was planned: each an hour of simulated time."""
    world = crossing(round(hours * 1200), seed, people_a_second=1 / 3)
    found, _ = analyse(world, seed, {"exit": (EXIT, ["exit"])})
    yield "hours", world.duration_s / 3600
    yield "false_gatherings", len(_of(found, "gathering"))
    yield "false_bottlenecks", len(_of(found, "bottleneck"))


def summary(run: Callable[[int], Iterator[tuple[str, float]]], seeds: int) -> dict[str, Any]:
    """Return the mean of each figure, and the mean of its size, over the seeds."""
    figures: dict[str, list[float]] = {}
    for seed in range(300, 300 + seeds):
        for name, value in run(seed):
            figures.setdefault(name, []).append(float(value))
    return {
        name: {
            "mean": round(statistics.fmean(values), 4),
            "mean_size": round(statistics.fmean(map(abs, values)), 4),
        }
        for name, values in figures.items()
    }


def main() -> int:
    """Print and write all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--hours", type=float, default=1.0)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for run in (passers_by, waiting, alarms):
        figures |= summary(run, options.seeds)
    figures |= summary(lambda seed: quiet(seed, options.hours), 1)
    for name, figure in figures.items():
        print(f"{name:22} {figure['mean']:+8.4f}   size {figure['mean_size']:.4f}")
    RESULTS.write_text(json.dumps({"seeds": options.seeds, "fps": FPS, "figures": figures}, indent=1) + "\n")
    return 0


def _of(found: CameraUpdate, kind: str) -> list[Any]:
    return [event for event in found.events if event.kind.value == kind]


def _polygon(corners: list[list[float]]) -> Polygon:
    return Polygon(tuple((x, y) for x, y in corners))


if __name__ == "__main__":
    sys.exit(main())
