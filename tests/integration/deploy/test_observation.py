"""The dashboard and the alert rules are valid, and name only metrics that some role exports.

`python -m tests.integration.deploy.test_observation` writes the table of metrics in the documentation anew.
"""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry

import workers
from tests.dashboards import DASHBOARDS, selectors, targets
from web.metrics import WebMetrics
from workers.__main__ import ROLES

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus/alerts.yml"
PROMETHEUS = DEPLOY / "prometheus/prometheus.yml"
PAGE = DEPLOY.parent / "docs/deployment/monitoring.md"
OF_PROMETHEUS = {"up"}
_TABLE = re.compile(r"(<!-- metrics: begin [^\n]*-->\n).*?(<!-- metrics: end -->)", re.DOTALL)


def registries() -> tuple[CollectorRegistry, CollectorRegistry]:
    """Return the metrics of all roles."""
    for module in pkgutil.walk_packages(workers.__path__, "workers."):
        if module.name not in ("workers.__main__", "workers.celery_app", "workers.watchdog"):
            importlib.import_module(module.name)
    web = CollectorRegistry()
    WebMetrics(web)
    return REGISTRY, web


def exported() -> dict[str, set[str]]:
    """Return the names of the samples of all roles, each with its labels."""
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    found: dict[str, set[str]] = {name: set() for name in OF_PROMETHEUS}
    for registry in registries():
        for collector in registry._collector_to_names:
            labels = set(getattr(collector, "_labelnames", ()))
            for family in collector.collect():
                for suffix in suffixes.get(family.type, ()):
                    found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


SAMPLES = exported()


def metrics_table() -> str:
    """Return the metrics as a table in Markdown."""
    lines = ["| metric | kind | labels | what |", "|---|---|---|---|"]
    rows = []
    for registry in registries():
        for collector in registry._collector_to_names:
            for family in collector.collect():
                if family.name.startswith("crowdwatch_"):
                    name = family.name + ("_total" if family.type == "counter" else "")
                    labels = ", ".join(f"`{label}`" for label in collector._labelnames)
                    rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation.removesuffix('.')} |")
    return "\n".join([*lines, *sorted(rows)]) + "\n"


FROM_DISCOVERY = {"job", "instance", "role"}


def check(expression: str) -> None:
    """Parse an expression, and see that each metric exists and has the labels by which it is selected."""
    parsed = promql_parser.parse(expression)
    found = list(selectors(parsed))
    named = set(re.findall(r"\b(?:crowdwatch|process)_[a-z_]+", expression))
    assert {selector.name for selector in found} - OF_PROMETHEUS == named, f"not all was looked at: {expression}"
    for selector in found:
        assert selector.name in SAMPLES, f"{selector.name} does not exist"
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= SAMPLES[selector.name] | FROM_DISCOVERY, f"{selector.name} has no {labels}"
    for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
        groups = {label.strip() for label in grouping.split(",")}
        known = set().union(*(SAMPLES[selector.name] for selector in found)) | FROM_DISCOVERY
        assert groups <= known, f"{expression} groups by {groups - known}"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(("title", "expression"), targets())
def test_panels_name_metrics_that_exist(title: str, expression: str) -> None:
    check(expression.replace("$__rate_interval", "1m"))


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_alerts_name_metrics_that_exist_and_say_what_to_do(rule: dict[str, Any]) -> None:
    check(rule["expr"])
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"] and rule["annotations"]["description"]
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}


def test_the_check_finds_what_does_not_exist() -> None:
    for wrong in ("crowdwatch_nothing", 'crowdwatch_bridge_lag{camera="x"}', "sum by (queue) (crowdwatch_bridge_lag)"):
        with pytest.raises(AssertionError):
            check(wrong)
    with pytest.raises(ValueError, match="unclosed"):
        check("sum(crowdwatch_bridge_lag")


def test_every_metric_of_the_flow_is_on_the_dashboard_or_counted_in_it() -> None:
    shown = {name for _, expression in targets() for name in re.findall(r"crowdwatch_[a-z_]+", expression)}
    flow = ("bridge", "worker", "sink")
    metrics = {re.sub(r"_(bucket|sum|count)$", "", name) for name in SAMPLES}
    wanted = {name for name in metrics if name.startswith(tuple(f"crowdwatch_{role}_" for role in flow))}
    assert wanted <= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_a_dashboard_has_ids_and_places_of_its_own(file: Path) -> None:
    dashboard = json.loads(file.read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    provided = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    assert {panel["datasource"]["uid"] for panel in panels if "datasource" in panel} == {
        source["uid"] for source in provided["datasources"]
    }


def test_prometheus_asks_every_role() -> None:
    config = yaml.safe_load(PROMETHEUS.read_text("utf-8"))
    asked = {name for job in config["scrape_configs"] for dns in job.get("dns_sd_configs", ()) for name in dns["names"]}
    assert {*ROLES, "web"} <= asked
    assert [(PROMETHEUS.parent / name).exists() for name in config["rule_files"]] == [True]


def test_the_documentation_tells_every_metric() -> None:
    text = PAGE.read_text("utf-8")
    command = "python -m tests.integration.deploy.test_observation"
    assert _TABLE.sub(rf"\g<1>{metrics_table()}\g<2>", text) == text, f"run: {command}"


if __name__ == "__main__":
    old = PAGE.read_text("utf-8")
    PAGE.write_text(_TABLE.sub(rf"\g<1>{metrics_table()}\g<2>", old), "utf-8")
