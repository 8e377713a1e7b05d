"""`make demo` moves every metric of the dashboards, and ends well.

All roles are asked for their metrics, over and over, as Prometheus does.
"""

import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from promql_parser import MatchOp

from ops.datadir import DataDir
from ops.role_metrics import Series, read_metrics
from tests.dashboards import parse, selectors, targets

ASK_EVERY_S = 0.4
ENDS_WITHIN_S = 900
OF_PROMETHEUS = frozenset({"job", "instance", "role"})


class Watch:
    """The values that each series has had, with `up` for each role as Prometheus makes it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = DataDir(data_dir)
        self.values: defaultdict[Series, set[float]] = defaultdict(set)
        self._answered: set[str] = set()

    def look(self) -> None:
        """Ask each role once. A series that is new at a role which was asked before has come from nothing."""
        state = self._data_dir.read_state()
        urls = {role.name: role.metrics_url for role in state.roles if role.metrics_url} if state else {}
        found = read_metrics(urls)
        answering = {one.role for one in found}
        for role in self._answered | answering:
            self.values[Series(role, "up", frozenset())].add(float(role in answering))
        for series, value in found.items():
            if series not in self.values and series.role in self._answered:
                self.values[series].add(0.0)
            self.values[series].add(value)
        self._answered |= answering

    def moved(self, selector: Any) -> bool:
        """Whether a series that this selects has changed."""
        return any(
            len(values) > 1 and series.name == selector.name and matches(selector, dict(series.labels))
            for series, values in self.values.items()
        )


def matches(selector: Any, labels: dict[str, str]) -> bool:
    """Whether the labels that a role gives are those selected; those of Prometheus are left out."""
    asked = [one for one in selector.matchers.matchers if one.name not in OF_PROMETHEUS]
    assert all(one.op in (MatchOp.Equal, MatchOp.NotEqual) for one in asked), selector
    return all((labels.get(one.name, "") == one.value) is (one.op == MatchOp.Equal) for one in asked)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(ENDS_WITHIN_S + 60)
def test_every_metric_of_the_dashboards_moves_in_the_demo(tmp_path: Path) -> None:
    servers = {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "MONGODB_URI"}
    environment = {name: value for name, value in os.environ.items() if name not in servers} | {"COLUMNS": "150"}
    output = tmp_path / "output"
    with output.open("w") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "ops", "demo", "--data-dir", str(tmp_path / "data")],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            watch, deadline = Watch(tmp_path / "data"), time.monotonic() + ENDS_WITHIN_S
            while demo.poll() is None:
                assert time.monotonic() < deadline, output.read_text()
                watch.look()
                time.sleep(ASK_EVERY_S)
        finally:
            demo.terminate()
            demo.wait()
    assert demo.returncode == 0, output.read_text()
    asked = {str(one): one for _, expression in targets() for one in selectors(parse(expression))}
    assert len(asked) > 20
    still = sorted(name for name, one in asked.items() if not watch.moved(one))
    assert not still, f"these stood still: {', '.join(still)}\n{output.read_text()}"
