"""What a load needs, and the rate that some cores manage."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.commands.plan import command
from ops.planning.costs import Costs, Prices, with_backlog
from ops.planning.plan import Load, Plan, make_plan
from ops.planning.throughput import throughput
from settings import Settings

ROOT = Path(__file__).parents[4]
COSTS = Costs()
DETECT_MS = COSTS.detect_ms(1280, 720)
TEN = ["--cameras", "10", "--fps", "2", "--picture", "1280x720"]


def _plan(cameras: int, **changes: object) -> Plan:
    settings = Settings().model_copy(update=changes)
    return make_plan(Load(cameras, 2.0, 1280, 720), DETECT_MS, COSTS, settings)


def test_needs_grow_with_the_cameras():
    small, large = _plan(100), _plan(10_000)
    for name in ("cores", "worker_processes", "bridges", "sinks", "partitions", "brokers", "gpus"):
        assert getattr(small, name) < getattr(large, name), name
    assert large.documents_a_day == 100 * small.documents_a_day
    assert large.bottleneck.name == "workers"
    assert large.month_a_camera(Prices()) < _plan(1).month_a_camera(Prices()), "what is there once is shared"


@pytest.mark.parametrize("cameras", [1, 10, 100, 1000, 10_000])
def test_no_part_is_planned_busier_than_seven_tenths(cameras: int):
    plan = _plan(cameras)
    for part in plan.parts:
        if part.name in ("workers", "bridge", "sink", "analytics"):
            assert part.cores <= 0.7 * part.processes + 1e-9, part
    assert sum(part.cores for part in plan.parts) <= 0.7 * plan.cores + 1e-9
    assert plan.partitions >= 2 * max(plan.bridges, plan.sinks)


def test_copies_cost_network_and_disk():
    one, three = _plan(1000), _plan(1000, replication_factor=3)
    assert three.broker_disk_bytes == pytest.approx(3 * one.broker_disk_bytes)
    assert three.broker_in_bytes_s == pytest.approx(3 * one.broker_in_bytes_s)
    assert three.brokers >= 3


def test_a_log_that_holds_too_little_is_warned_of():
    plan = _plan(10_000)
    assert plan.log_held_s < 3600
    assert any("FRAMES_RETENTION_MIB" in warning for warning in plan.warnings)
    enough = _plan(10_000, frames_retention_mib=int(plan.settings["CROWDWATCH_FRAMES_RETENTION_MIB"]))
    assert enough.log_held_s >= 3600
    assert not any("FRAMES_RETENTION_MIB" in warning for warning in enough.warnings)
    assert _plan(10_000, frames_retention_mib=-1).log_held_s == 24 * 3600


@pytest.mark.parametrize(
    ("processes", "cores", "detect_ms", "expected", "bottleneck"),
    [
        (1, 8, 17.55, 50.0, "worker processes"),
        (2, 8, 17.55, 100.0, "worker processes"),
        (2, 2, 17.55, 2000 / (17.55 + COSTS.plumbing_ms + COSTS.sender_ms + COSTS.wait_ms), "cores"),
        (4, 2, 17.55, 2000 / (17.55 + COSTS.plumbing_ms + COSTS.sender_ms), "cores"),
        (1000, 1000, 0.0, 1000 / 0.6, "bridge"),
    ],
)
def test_the_least_limit_holds(processes: int, cores: int, detect_ms: float, expected: float, bottleneck: str):
    found = throughput(processes, cores, detect_ms, COSTS)
    assert found.frames_a_second == pytest.approx(expected)
    assert found.bottleneck == bottleneck


def test_more_bridges_and_sinks_lift_their_limit():
    one, two = throughput(1000, 1000, 0.0, COSTS), throughput(1000, 1000, 0.0, COSTS, bridges=2, sinks=2)
    assert two.frames_a_second == pytest.approx(2 * one.frames_a_second)


def test_the_prediction_is_within_15_percent_of_what_was_measured():
    measured = json.loads((ROOT / "bench/results/prediction.json").read_text("utf-8"))
    detect_ms = sum(measured["detect_ms"]) / 2
    for processes, row in measured["worker_processes"].items():
        found = throughput(int(processes), measured["cores"], detect_ms, with_backlog(COSTS))
        assert found.frames_a_second == pytest.approx(row["measured"], rel=0.15), processes


def test_the_command_says_what_is_needed():
    said = CliRunner().invoke(command, TEN)
    assert said.exit_code == 0, said.output
    for word in ("cores", "GPUs", "partitions", "broker disk", "Redis memory", "MongoDB", "a camera"):
        assert word in said.output, word


def test_the_command_speaks_json():
    said = CliRunner().invoke(command, [*TEN, "--json"])
    assert said.exit_code == 0, said.output
    found = json.loads(said.output)
    assert found["partitions"] >= 4
    assert found["bottleneck"] == "workers"
    assert found["load"] == {"cameras": 10, "fps": 2.0, "width": 1280, "height": 720, "faces": 8.0}
    assert found["here"] is None, "nothing was measured here"


def test_what_this_machine_manages_is_told_where_it_was_measured():
    said = CliRunner().invoke(command, [*TEN, "--measure", "--json"])
    assert said.exit_code == 0, said.output
    here = json.loads(said.output)["here"]
    assert [one["worker_processes"] for one in here] == sorted({1, os.cpu_count()})
    assert here[0]["frames_a_second"] <= here[-1]["frames_a_second"]


@pytest.mark.parametrize(
    "words", [TEN[:4], [*TEN[:5], "1280"], ["--cameras", "0", *TEN[2:]], [*TEN[:2], "--fps", "0", *TEN[4:]]]
)
def test_wrong_use_exits_with_2(words: list[str]):
    assert CliRunner().invoke(command, words).exit_code == 2
