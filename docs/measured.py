"""Tables of what `bench.pipeline` and `bench.storm` measured, from bench/results.

python -m docs.measured    writes them into the pages anew
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs.analytics.exactness import with_table
from ops.planning.costs import Costs

HERE = Path(__file__).parent
RESULTS = HERE.parent / "bench/results"


def pipeline_table() -> str:
    """Return what each scenario of the meter gave, by its name in pipeline.json."""
    found = _read("pipeline")
    null, exact, fastest = found["null"], found["exact"], found["fastest"]
    latency, cameras, redis = found["latency"], found["cameras"], found["redis"]
    costs = ", ".join(f"{row['processor_ms_a_frame_in_all']:.1f}" for row in cameras["rows"].values())
    counts = ", ".join(cameras["rows"])
    outside = _outside_worker(fastest["ours"])
    rows = [
        (
            "null",
            "frames of 60 KB, nothing decoded or detected",
            _rate(null["ours"]),
            f"{null['times_celery']:.1f} times Celery with the picture in the message ({_rate(null['celery'])}); "
            f"{null['ours']['processor_ms_a_frame_in_all']:.1f} ms of processor time a frame, servers included",
        ),
        (
            "exact",
            "1280x720, input 608, float32 on ONNX Runtime",
            _rate(exact["ours"]),
            f"{exact['share_of_bare_loop']:.2f} of the bare loop of decoding and detecting ({exact['bare_loop']}); "
            f"{exact['times_replaced_loop']:.1f} times a loop of OpenCV 4 ({exact['replaced_loop']}); "
            f"{exact['times_celery']:.1f} times that Celery ({exact['celery']['frames_a_second']})",
        ),
        (
            "fastest",
            "1280x720, input 416, the fastest runtime and precision: int8 on OpenVINO",
            _rate(fastest["ours"]),
            f"{fastest['share_of_bare_loop']:.2f} of the bare loop ({fastest['bare_loop']}); "
            f"{outside:.1f} ms of processor time a frame outside the worker",
        ),
        (
            "sink",
            "results to documents, by one sink",
            f"{found['sink']['results_a_second']:,} results/s",
            f"{found['sink']['processor_ms_a_result']['sink']:.2f} ms of the sink's processor time each",
        ),
        *(
            (
                f"latency, {name}",
                text,
                f"{one['median_ms']:.0f} ms, 99 % within {one['p99_ms']:.0f} ms",
                f"from Kafka's acknowledgement to the document; {one['detection_ms']:.1f} ms of it detection",
            )
            for name, one, text in (
                ("exact", latency["exact"], f"{latency['exact']['frames_a_second']:.0f} frames/s, half of what it can"),
                ("null", latency["null"], f"{latency['null']['frames_a_second']:.0f} frames/s"),
                (
                    "null at half",
                    latency["null_at_half"],
                    f"{latency['null_at_half']['frames_a_second']:.0f} frames/s, half of what it can",
                ),
            )
        ),
        (
            "cameras",
            f"200 frames/s without detection, from {counts} cameras",
            f"{costs} ms a frame",
            f"processor time of everything; 64 cost {cameras['cost_of_64_by_cost_of_1']:.2f} of what one does",
        ),
        (
            "redis",
            f"{redis['frames']:,} frames wait and no worker is there",
            f"{redis['redis_mib']:.1f} MiB",
            f"Redis' memory, {redis['tasks']} tasks: the frames wait in the log",
        ),
    ]
    return _table("| scenario | what | measured | beside it, in the same run |\n|---|---|---:|---|", rows)


def storm_table() -> str:
    """Return what each storm of storm.json did."""
    rows = []
    for storm in _read("storm").values():
        longest, after = max((max(stalls), fault) for fault, stalls in storm["stalls_s"].items())
        rows.append(
            (
                storm["storm"]["seed"],
                storm["storm"]["size"],
                f"{storm['detected_twice_percent']} %",
                f"{longest} s ({after})",
                f"{storm['backlog']:,} frames behind",
                f"{storm['stored_after_s']} s",
                f"{storm['stored_after_beyond_backlog_s']} s",
            )
        )
    heading = (
        "| seed | input | detected twice | longest stall after a single fault | when the sending ended "
        "| all stored after | beyond the backlog's own time |\n|---|---|---|---|---|---|---|"
    )
    return _table(heading, rows)


def costs_table() -> str:
    """Return the processor time that a plan takes for a frame, by part, beside what scenarios of pipeline.json took."""
    plan, found = Costs(), _read("pipeline")
    columns = (found["cameras"]["rows"]["64"], found["fastest"]["ours"], found["null"]["ours"])
    growth = {
        "kafka": ("Kafka", "with the picture's bytes and the copies"),
        "bridge": ("bridge", "one process, one core; more processes share the partitions"),
        "sink": ("sink", "the same"),
        "mongo": ("MongoDB", "with the faces"),
        "redis": ("Redis", "by the task: no picture is there"),
    }
    rates = [f"{one['frames_a_second']:,.0f} frames/s" for one in columns]
    detect = f"{plan.detect_ms(1280, 720):.1f} ms"
    rows: list[tuple[Any, ...]] = [
        ("rate", "", *rates, ""),
        ("decoding and detection, 1280x720", detect, "", "in the worker's", "", "with the pixels, and with the model"),
        ("worker", *_of_part(plan.worker_ms, columns, "worker"), "little: by the task"),
    ]
    rows += [(text, *_of_part(getattr(plan, f"{part}_ms"), columns, part), how) for part, (text, how) in growth.items()]
    rows.append(("analytics", f"{plan.analytics_ms:.1f} ms", "", "", "", "with the people in the picture"))
    heading = (
        "| part | a plan takes | `cameras`, 64 | `fastest` | `null` | how it grows |\n|---|---:|---:|---:|---:|---|"
    )
    return _table(heading, rows)


def _of_part(plan_ms: float, columns: tuple[dict[str, Any], ...], part: str) -> list[str]:
    return [
        f"{ms:.{1 if ms >= 1 else 2}f} ms" for ms in (plan_ms, *(one["processor_ms_a_frame"][part] for one in columns))
    ]


TABLES: dict[str, Callable[[], str]] = {
    "advanced/performance.md": pipeline_table,
    "concepts/delivery.md": storm_table,
    "scaling.md": costs_table,
}
"""The table of each page."""


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return found


def _rate(one: dict[str, Any]) -> str:
    rate = one["frames_a_second"]
    return f"{rate:,.0f} frames/s" if rate >= 100 else f"{rate} frames/s"


def _outside_worker(one: dict[str, Any]) -> float:
    return float(sum(ms for part, ms in one["processor_ms_a_frame"].items() if part != "worker"))


def _table(heading: str, rows: list[tuple[Any, ...]]) -> str:
    return "\n".join([heading, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]) + "\n"


def main() -> None:
    """Write the tables into the pages."""
    for name, table in TABLES.items():
        page = HERE / name
        page.write_text(with_table(page.read_text("utf-8"), table()), "utf-8")


if __name__ == "__main__":
    main()
