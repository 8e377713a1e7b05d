"""The meter: frames a second from the first send to the last document, and what they cost, against peers.

    python -m bench.pipeline [SCENARIO …] [--frames N] [--output FILE.json]

Scenarios, each on servers and roles of its own:
    null       nothing is decoded or detected, frames of 60 KB: the plumbing alone; beside it Celery with the picture
               in the message
    exact      yolov3-face-lite at 608 in float32 on ONNX Runtime, JPEGs of 1280x720, against the bare loop, the loop
               that this system replaces, and Celery with the picture in the message
    fastest    the same at 416 with the fastest runtime and precision here, against the bare loop
    latency    from Kafka's acknowledgement to the document, at half of what `exact` manages; without detection at 50
               frames a second and at half of what `null` manages
    cameras    processor time a frame with 1, 4, 16 and 64 cameras at the same total rate
    sink       results a second that the sink alone stores
    redis      Redis' memory with 50,000 frames in backlog and no worker

Figures are of the whole machine: servers, roles and the sender share it. Ratios are of one run.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.meter import (
    RESULTS,
    Load,
    bare_loop,
    celery_with_pictures,
    jpeg_load,
    latency,
    null_load,
    redis_memory,
    replaced_loop,
    sink_alone,
    throughput,
)
from detection.bars import draw_bars

console = Console()

ROUNDS = 3
"""Of those that are compared with the bare loop, before, between and after which that runs."""


def scenario_null(folder: Path, frames: int) -> dict[str, Any]:
    load = null_load(folder)
    ours, peer = throughput(load, 12 * frames), celery_with_pictures(load, 4 * frames)
    return {"ours": ours, "celery": peer, "times_celery": _ratio(ours, peer["frames_a_second"])}


def scenario_exact(folder: Path, frames: int) -> dict[str, Any]:
    load = jpeg_load(folder, 608, "onnxruntime:float32")
    beside = _beside_bare_loop(load, frames)
    ours = beside["ours"]
    loop, peer = replaced_loop(load, frames // 6), celery_with_pictures(load, frames // 2)
    return {
        **beside,
        "replaced_loop": loop,
        "celery": peer,
        "times_replaced_loop": _ratio(ours, loop),
        "times_celery": _ratio(ours, peer["frames_a_second"]),
    }


def scenario_fastest(folder: Path, frames: int) -> dict[str, Any]:
    load = jpeg_load(folder, 416, "auto:int8" if _int8_is_fast() else "auto")
    return _beside_bare_loop(load, 3 * frames)


def _beside_bare_loop(load: Load, frames: int) -> dict[str, Any]:
    """Run ours and the bare loop in turn: a shared machine is faster at one time than at another.

    Returns:
        `ours`: the run in the middle; of all runs the rates, and the share of the bare loop that their means make.
    """
    bare, runs = [bare_loop(load, 6)], list[dict[str, Any]]()
    for _ in range(ROUNDS):
        runs.append(throughput(load, frames, warm_up=60))
        bare.append(bare_loop(load, 6))
    runs.sort(key=lambda run: run["frames_a_second"])
    rates = [run["frames_a_second"] for run in runs]
    return {
        "ours": runs[ROUNDS // 2],
        "ours_of_each_round": rates,
        "bare_loop_of_each_round": bare,
        "bare_loop": round(statistics.mean(bare), 1),
        "share_of_bare_loop": round(statistics.mean(rates) / statistics.mean(bare), 3),
    }


def scenario_latency(folder: Path, frames: int) -> dict[str, Any]:
    null, exact = null_load(folder), jpeg_load(folder, 608, "onnxruntime:float32")
    half = {
        name: throughput(load, count, warm_up=60)["frames_a_second"] / 2
        for name, load, count in (("null", null, 6 * frames), ("exact", exact, frames // 2))
    }
    return {
        "exact": latency(exact, round(half["exact"], 1)),
        "null": latency(null, 50),
        "null_at_half": latency(null, round(half["null"], 1)),
    }


def scenario_cameras(folder: Path, frames: int) -> dict[str, Any]:
    load = null_load(folder)
    rows = {str(cameras): throughput(load, 4 * frames, cameras, rate=200) for cameras in (1, 4, 16, 64)}
    costs = {cameras: row["processor_ms_a_frame_in_all"] for cameras, row in rows.items()}
    return {"rows": rows, "cost_of_64_by_cost_of_1": round(costs["64"] / costs["1"], 3)}


def scenario_sink(_folder: Path, _frames: int) -> dict[str, Any]:
    return sink_alone(60_000)


def scenario_redis(folder: Path, _frames: int) -> dict[str, Any]:
    return redis_memory(null_load(folder), 50_000)


def _ratio(ours: dict[str, Any], other: float) -> float:
    return round(ours["frames_a_second"] / other, 3)


def _int8_is_fast() -> bool:
    from detection.runtimes.registry import is_fast_here

    return is_fast_here("int8")


SCENARIOS = {
    "null": scenario_null,
    "exact": scenario_exact,
    "fastest": scenario_fastest,
    "latency": scenario_latency,
    "cameras": scenario_cameras,
    "sink": scenario_sink,
    "redis": scenario_redis,
}


def main() -> None:
    """Run scenarios, print each as a table, write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--frames", type=int, default=1000, help="of a run with the real detector; others follow it")
    parser.add_argument("--output", type=Path, default=RESULTS / "pipeline.json")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(SCENARIOS)}")
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name in options.scenarios or SCENARIOS:
        load_before = round(os.getloadavg()[0], 2)
        with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
            found = SCENARIOS[name](Path(folder), options.frames)
        known[name] = {"load_before": load_before, "cores": os.cpu_count(), **found}
        table = Table("figure", "value", title=name)
        for label, value in _flat(found):
            table.add_row(label, str(value))
        console.print(table)
        options.output.write_text(json.dumps(known, indent=1) + "\n")
    if bars := _bars(known):
        options.output.with_suffix(".png").write_bytes(draw_bars(bars))


def _flat(found: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        label = f"{before}{name}".replace("_", " ")
        if isinstance(value, dict):
            yield from _flat(value, f"{label} ")
        else:
            yield label, value


def _bars(known: dict[str, Any]) -> dict[str, dict[str, float]]:
    groups: dict[str, dict[str, float]] = {}
    for name in ("null", "exact", "fastest"):
        found = known.get(name, {})
        rates = {label: found[label] for label in ("bare_loop", "replaced_loop") if label in found}
        rates |= {label: found[label]["frames_a_second"] for label in ("ours", "celery") if label in found}
        if rates:
            groups[f"{name}: frames a second"] = rates
    for name in ("null", "exact", "fastest"):
        if name in known:
            groups[f"{name}: processor ms a frame"] = known[name]["ours"]["processor_ms_a_frame"]
            groups[f"{name}: memory of each role and server with its children, MiB"] = known[name]["ours"]["memory_mib"]
    if "cameras" in known:
        rows = known["cameras"]["rows"].items()
        costs = {f"{cameras} cameras": row["processor_ms_a_frame_in_all"] for cameras, row in rows}
        groups["cameras: processor ms a frame at the same total rate"] = costs
    return groups


if __name__ == "__main__":
    main()
