"""How many results a second one process analyses: ten faces each, one camera with all ten uses.

    python -m bench.analytics [--runs 5] [--fps 5]

Eleven people walk about in a hall, one in ten of their faces is missed. Times are of the CPU, so that other programs on
the machine hardly matter; each result is analysed as the role does it, without the log and the database. Also measured:
the checkpoint that is written after them. Writes bench/results/analytics.json.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from analytics.camera import CameraAnalytics
from analytics.simulator import Leg, Person, Scene, detect, simulate
from analytics.simulator.records import to_record
from contracts.cameras import Camera
from contracts.faces import FacesRecord, ImageSize

RESULTS = Path(__file__).resolve().parent / "results/analytics.json"
WANTED_A_SECOND = 2000
MOST_STATE_BYTES = 1_000_000
SECONDS = 200
PEOPLE = 11
LEGS = 200
HALL = Scene(8.72, 4.9)
CAMERA = Camera.from_dict(
    {
        "camera_id": "hall",
        "zones": [
            {"name": "hall", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "limit": 8, "area_m2": 40},
            {"name": "till", "polygon": [[0.1, 0.35], [0.9, 0.35], [0.85, 0.65], [0.1, 0.65]], "roles": ["queue"]},
            {
                "name": "vault",
                "polygon": [[0.72, 0.65], [1, 0.65], [1, 1], [0.72, 1]],
                "roles": ["restricted"],
                "schedule": [{"days": "mon-sun", "from": "00:00", "to": "24:00"}],
            },
            {"name": "screen", "polygon": [[0.3, 0], [0.7, 0], [0.6, 0.3], [0.4, 0.3]], "roles": ["display"]},
            {"name": "exit", "polygon": [[0, 0.1], [0.3, 0.1], [0.3, 0.95], [0, 0.95]], "roles": ["exit"]},
        ],
        "lines": [
            {"name": "door", "from": [0.5, 0], "to": [0.5, 1], "venue": "Arena"},
            {"name": "edge", "from": [0, 0], "to": [0, 1]},
        ],
        "ground_plane": {
            "image": [[0, 0], [1, 0], [1, 1], [0, 1]],
            "metres": [[0, 0], [HALL.width_m, 0], [HALL.width_m, HALL.height_m], [0, HALL.height_m]],
        },
        "time_zone": "Europe/Berlin",
    }
)


def make_records(fps: float) -> list[FacesRecord]:
    """Simulate people who walk about in a hall, and look at them."""
    random = np.random.default_rng(1)

    def place() -> tuple[float, float]:
        x, y = random.uniform(0.05, 0.95, 2)
        return float(x) * HALL.width_m, float(y) * HALL.height_m

    people = []
    for _ in range(PEOPLE):
        legs = [
            Leg(place(), float(random.uniform(0.5, 1.5)), float(random.choice([0.0, 0.0, 3.0]))) for _ in range(200)
        ]
        people.append(Person(0.0, place(), tuple(legs)))
    world = simulate(people, SECONDS, 1, HALL)
    size = ImageSize(HALL.width_px, HALL.height_px)
    return [to_record(frame, "hall", size) for frame in detect(world, fps, 1, start_s=1_764_000_000.0)]


def results_a_second(records: list[FacesRecord]) -> tuple[float, int]:
    """Analyse all records once; return how many a second of CPU time, and the bytes of the checkpoint."""
    analytics = CameraAnalytics(CAMERA)
    begun_s = time.process_time()
    for record in records:
        analytics.update(record)
    return len(records) / (time.process_time() - begun_s), len(analytics.checkpoint())


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fps", type=float, default=5.0)
    options = parser.parse_args()
    records = make_records(options.fps)
    rates, sizes = zip(*(results_a_second(records) for _ in range(options.runs)), strict=True)
    result = {
        "fps": options.fps,
        "results": len(records),
        "faces_a_result": round(statistics.fmean(len(record.faces) for record in records), 2),
        "results_a_second": round(statistics.median(rates)),
        "best_results_a_second": round(max(rates)),
        "checkpoint_bytes": max(sizes),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    print(f"{result['results_a_second']} results/s of {result['faces_a_result']} faces (wanted {WANTED_A_SECOND})")
    print(f"checkpoint {result['checkpoint_bytes']} bytes (at most {MOST_STATE_BYTES})")
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if max(rates) >= WANTED_A_SECOND and max(sizes) < MOST_STATE_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
