"""`crowdwatch plan`: what a number of cameras needs."""

import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ops.planning.plan import Plan
    from ops.planning.throughput import Throughput


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if match is None:
        raise click.BadParameter(f"expected WIDTHxHEIGHT such as 1280x720, got {text!r}")
    return int(match[1]), int(match[2])


@click.command()
@click.option("--cameras", type=click.IntRange(1, 1_000_000), required=True, help="How many.")
@click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), required=True, help="Frames a second of each.")
@click.option("--picture", type=_size, metavar="WxH", required=True, help="Size of a frame, such as 1280x720.")
@click.option("--measure", is_flag=True, help="Measure the detector here first, which takes some seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(cameras: int, fps: float, picture: tuple[int, int], measure: bool, as_json: bool) -> None:
    """Tell what a number of cameras needs: cores, GPUs, partitions, disk, network, memory, and what one camera costs.

    The figures are those in ops/planning/costs.py; the window, copies and retention are those of the settings here.
    """
    import os

    from ops.planning.costs import Costs, with_backlog
    from ops.planning.plan import Load, make_plan
    from ops.planning.throughput import throughput
    from settings import Settings

    settings, costs, said = Settings.from_environment(), Costs(), "from ops/planning/costs.py"
    if measure:
        from ops.planning.measure import measure_detector

        measured = measure_detector(*picture, settings)
        megapixels = picture[0] * picture[1] / 1e6
        costs = replace(costs, network_ms=measured.detect_ms, decode_ms_a_megapixel=measured.decode_ms / megapixels)
        said = f"measured here: {measured.decode_ms:.2f} ms to decode, {measured.detect_ms:.2f} ms to detect"
        said += f" ({settings.model}, {measured.version})"
    detect_ms = costs.detect_ms(*picture)
    plan = make_plan(Load(cameras, fps, *picture), detect_ms, costs, settings)
    cores = os.cpu_count() or 1
    here = None
    if measure:
        here = {count: throughput(count, cores, detect_ms, with_backlog(costs)) for count in sorted({1, cores})}
    if as_json:
        click.echo(json.dumps(_as_json(plan, detect_ms, said, cores, here), indent=2))
    else:
        _print(plan, detect_ms, said, cores, here)


def _as_json(
    plan: "Plan", detect_ms: float, said: str, cores: int, here: "dict[int, Throughput] | None"
) -> dict[str, Any]:
    from ops.planning.costs import Prices

    return {
        **asdict(plan),
        "bottleneck": plan.bottleneck.name,
        "detect_ms": round(detect_ms, 3),
        "detect_ms_from": said,
        "month_a_camera": round(plan.month_a_camera(Prices()), 4),
        "prices": asdict(Prices()),
        "here": here and [{"cores": cores, "worker_processes": count, **asdict(rate)} for count, rate in here.items()],
    }


def _print(plan: "Plan", detect_ms: float, said: str, cores: int, here: "dict[int, Throughput] | None") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from ops.planning.costs import GIB, MIB, Prices

    load, prices, console = plan.load, Prices(), Console(soft_wrap=True, highlight=False)
    console.print(
        f"{load.cameras:,} cameras at {load.fps:g} frames/s of {load.width}x{load.height}: "
        f"{load.frames_a_second:,.1f} frames/s, {plan.picture_bytes / 1000:.0f} KB each"
    )
    console.print(f"{detect_ms:.2f} ms to decode and detect a frame on one core, {said}\n")

    parts = Table("part", Column("processes", justify="right"), Column("cores busy", justify="right"), "why", box=None)
    for part in (*plan.parts, plan.capture):
        parts.add_row(part.name, f"{part.processes:,}", f"{part.cores:,.2f}", part.why)
    console.print(parts)
    console.print(f"\nMost processor time goes to: {plan.bottleneck.name}. Parts are planned to be 70 % busy.\n")

    needs = Table("need", Column("amount", justify="right"), "why", box=None)
    megabytes = 1e6
    rows = (
        ("cores", f"{plan.cores:,}", "without capture, which may run elsewhere"),
        (
            "or GPUs",
            f"{plan.gpus:,}",
            f"with cores: {plan.cores_with_gpus:,}, decoding stays there; 1 ms a frame is assumed, not measured",
        ),
        (
            "partitions",
            f"{plan.partitions:,}",
            "of frames, uploads and Faces; they bound how many processes share the work",
        ),
        (
            "brokers",
            f"{plan.brokers:,}",
            f"{plan.copies} of each record, 200 MB/s to disk and 6 Gbit/s of network each",
        ),
        ("network in", f"{plan.broker_in_bytes_s / megabytes:,.1f} MB/s", "of all brokers"),
        (
            "network out",
            f"{plan.broker_out_bytes_s / megabytes:,.1f} MB/s",
            "of all brokers: workers read each picture once",
        ),
        (
            "broker disk",
            f"{plan.broker_disk_bytes / GIB:,.1f} GiB",
            f"pictures stay {_span(plan.log_held_s)}, results as set",
        ),
        (
            "Redis memory",
            f"{plan.redis_bytes / MIB:,.0f} MiB",
            "at most: the window bounds the tasks; no picture is there",
        ),
        (
            "MongoDB",
            f"{plan.mongo_bytes_a_day / GIB:,.2f} GiB a day",
            f"{plan.documents_a_day:,.0f} documents, indexes included",
        ),
        ("MongoDB disk", f"{plan.mongo_bytes / GIB:,.1f} GiB", "for the retention that is set"),
        (
            "a camera",
            f"{plan.month_a_camera(prices):,.2f} a month",
            f"{plan.cores / load.cameras:.3f} cores at {prices.core:g}, a GiB of disk at {prices.disk_gib:g}: assumed",
        ),
    )
    for row in rows:
        needs.add_row(*row)
    console.print(needs)
    console.print("\nSettings: " + " ".join(f"{name}={value}" for name, value in plan.settings.items()))
    for warning in plan.warnings:
        console.print(f"Warning: {warning}", style="yellow")
    console.print("" if here else "\nWith --measure it tells what this machine manages, too.")
    for count, rate in (here or {}).items():
        processes = f"{count} worker process{'es' if count > 1 else ''}"
        console.print(
            f"This machine ({cores} cores) manages about {rate.frames_a_second:,.0f} frames/s with {processes}, "
            f"held by its {rate.bottleneck}."
        )


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
