"""What an operator watches: Flower shows the fleet at work behind its sign-in, and metrics of the dashboard move."""

import json
import re
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.browser.conftest import ARTIFACTS, Running, crowdwatch

TESTS = Path(__file__).parents[2]
DASHBOARD = TESTS.parent / "deploy/grafana/dashboards/crowdwatch.json"
MOVES_WITHIN_S = 60
ONLY_WHEN_ASKED_OR_IN_TROUBLE = {
    "crowdwatch_bridge_tasks_lost_total": "integration/workers/test_pipeline.py",
    "crowdwatch_capture_camera_live": "integration/workers/test_metrics.py",
    "crowdwatch_capture_frames_total": "integration/workers/test_metrics.py",
    "crowdwatch_jobs_ended_total": "integration/workers/test_jobs.py",
    "crowdwatch_notify_deliveries_total": "integration/workers/test_notify.py",
    "crowdwatch_sink_refused_total": "integration/workers/test_pipeline.py",
    "crowdwatch_web_pictures_total": "integration/web/test_frames.py",
    "crowdwatch_web_results_dropped_total": "unit/web/test_viewers.py",
    "crowdwatch_web_results_streamed_total": "unit/web/test_viewers.py",
    "crowdwatch_web_viewers": "unit/web/test_viewers.py",
    "crowdwatch_worker_dead_letters_total": "integration/workers/test_metrics.py",
}
"""These stand still while all is well; each is moved by the tests in the file beside it."""

LEVELS = {
    "crowdwatch_bridge_in_flight",
    "crowdwatch_bridge_lag",
    "crowdwatch_bridge_queue_length",
    "crowdwatch_capture_cameras",
}
"""These are there, and may well be zero while all is well."""


def status(running: Running) -> dict[str, object]:
    shown: dict[str, object] = json.loads(crowdwatch("status", "--json", "--data-dir", str(running.data_dir)).stdout)
    return shown


def test_flower_shows_the_fleet_at_work_behind_its_sign_in(browser: Browser, running: Running) -> None:
    url = str(status(running)["flower_url"])
    told = crowdwatch("status", "--data-dir", str(running.data_dir)).stdout
    found = re.search(r"Flower asks for the name (\S+) and the password (\S+)", told)
    assert found, told
    stranger = browser.new_context()
    answer = stranger.request.get(url)
    assert answer.status == 401
    stranger.close()

    operator = browser.new_context(http_credentials={"username": found[1], "password": found[2]})
    page = operator.new_page()
    page.goto(f"{url}/workers", wait_until="domcontentloaded")
    page.get_by_text(re.compile(r"worker-\d+@")).first.wait_for()
    page.goto(f"{url}/tasks", wait_until="domcontentloaded")
    page.get_by_text("SUCCESS").first.wait_for()
    page.get_by_text(re.compile(r"frames/\d+ \[\d+, \d+\) attempt 1")).first.wait_for()
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(ARTIFACTS / "flower.png"))
    operator.close()


def exported(running: Running) -> dict[str, float]:
    """Return the metrics of all roles, each summed over roles and labels."""
    sums: dict[str, float] = {}
    for role in status(running)["roles"]:  # type: ignore[attr-defined]
        with urllib.request.urlopen(role["metrics_url"], timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


@pytest.mark.parametrize(("metric", "file"), ONLY_WHEN_ASKED_OR_IN_TROUBLE.items())
def test_what_the_sample_does_not_move_is_moved_elsewhere(metric: str, file: str) -> None:
    assert f'"{metric}"' in (TESTS / file).read_text("utf-8")


@pytest.mark.slow
def test_the_metrics_of_the_dashboard_move_while_the_sample_plays(running: Running) -> None:
    expressions = re.findall(r'"expr": "(.*)"', DASHBOARD.read_text("utf-8"))
    shown = {name for one in expressions for name in re.findall(r"crowdwatch_[a-z_]+", one)}
    first = exported(running)
    elsewhere = set(ONLY_WHEN_ASKED_OR_IN_TROUBLE)
    assert shown >= elsewhere | LEVELS
    assert shown & LEVELS <= set(first)
    still = shown - elsewhere - LEVELS
    deadline = time.monotonic() + MOVES_WITHIN_S
    while still:
        assert time.monotonic() < deadline, f"nothing moves in {still}"
        time.sleep(1)
        now = exported(running)
        still = {name for name in still if now.get(name, 0.0) <= first.get(name, 0.0)}
