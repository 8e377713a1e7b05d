"""What `crowdwatch plan --measure` says this machine manages, against what the meter measures.

    python -m bench.prediction [--frames N] [--output FILE.json]

The same model, runtime and picture size on both sides: the shipped model with the runtime that `auto` chooses, JPEGs of
1280x720. The plan is asked before and after the meter, and the middle of both is its prediction; the meter runs twice
with each number of worker processes, in turn, and the faster run counts: what disturbs only slows.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.meter import RESULTS, Load, sample_jpegs, throughput

WORKER_PROCESSES = (1, 2)
ROUNDS = 2
WARM_UP = 200
"""Frames that are not counted: by then the bridge knows how large a task is best."""

console = Console()


def predicted() -> dict[str, Any]:
    """Return what the command prints, as JSON."""
    words = ["plan", "--cameras", "10", "--fps", "2", "--picture", "1280x720", "--measure", "--json"]
    said = subprocess.run([sys.executable, "-m", "ops", *words], capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def rates(plan: dict[str, Any]) -> dict[int, float]:
    """Return the predicted frames a second by worker processes."""
    return {one["worker_processes"]: one["frames_a_second"] for one in plan["here"]}


def compare(folder: Path, frames: int) -> dict[str, Any]:
    """Measure with one and with two worker processes, and hold the plan against it."""
    as_shipped = Load(sample_jpegs(folder), "yolov3-face-lite", "auto")
    before = predicted()
    runs = [(count, _measure(as_shipped, count, frames)) for _ in range(ROUNDS) for count in WORKER_PROCESSES]
    after = predicted()
    rows = {}
    for count in WORKER_PROCESSES:
        said = (rates(before)[count] + rates(after)[count]) / 2
        met = sorted((run for number, run in runs if number == count), key=lambda run: run["frames_a_second"])
        best = met[-1]
        rows[str(count)] = {
            "predicted": round(said, 1),
            "measured": best["frames_a_second"],
            "off_by": round(said / best["frames_a_second"] - 1, 3),
            "runs": [run["frames_a_second"] for run in met],
            "processor_ms_a_frame": best["processor_ms_a_frame"],
            "sender_ms_a_frame": best["sender_ms_a_frame"],
        }
    return {
        "cores": os.cpu_count(),
        "frames": frames,
        "detect_ms": [before["detect_ms"], after["detect_ms"]],
        "worker_processes": rows,
    }


def _measure(load: Load, processes: int, frames: int) -> dict[str, Any]:
    return throughput(dataclasses.replace(load, processes=processes), frames, warm_up=WARM_UP)


def main() -> None:
    """Compare, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=4000)
    parser.add_argument("--output", type=Path, default=RESULTS / "prediction.json")
    options = parser.parse_args()
    load_before = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory(prefix="prediction-") as folder:
        found = {"load_before": load_before, **compare(Path(folder), options.frames)}
    table = Table("worker processes", "predicted frames/s", "measured frames/s", "off by")
    for count, row in found["worker_processes"].items():
        table.add_row(count, str(row["predicted"]), str(row["measured"]), f"{100 * row['off_by']:+.1f} %")
    console.print(table)
    options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
