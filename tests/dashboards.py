"""The dashboards, as the tests read them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser

DASHBOARDS = sorted((Path(__file__).parents[1] / "deploy/grafana/dashboards").glob("*.json"))


def targets() -> list[tuple[str, str]]:
    """Return the title and the expression of each curve."""
    panels = [panel for file in DASHBOARDS for panel in json.loads(file.read_text("utf-8"))["panels"]]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", ())]


def parse(expression: str) -> Any:
    """Parse an expression, Grafana's interval filled in."""
    return promql_parser.parse(expression.replace("$__rate_interval", "1m"))


def selectors(expression: Any) -> Iterator[Any]:
    """Walk a parsed expression for what it selects."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for part in ("expr", "lhs", "rhs", "vector_selector", "param", "vs"):
        inner = getattr(expression, part, None)
        if inner is not None and not isinstance(inner, str):
            yield from selectors(inner)
    for argument in getattr(expression, "args", None) or ():
        yield from selectors(argument)
