"""Each use has a page in the navigation with a picture, an answer as the code gives it, and a sample that runs."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from analytics.geometry import Polygon
from analytics.simulator.scenes import queueing
from docs.analytics.exactness import FIGURES, tracking_table, truth_table, with_table
from docs.analytics.make import answer, shown, with_answer
from samples.analytics.crowds import CROWDS

ROOT = Path(__file__).parents[3]
TEN = (
    "density",
    "capacity",
    "restricted",
    "anomalies",
    "heatmap",
    "engagement",
    "queue",
    "attendance",
    "distancing",
    "evacuation",
)


def test_the_ten_uses_have_samples() -> None:
    assert set(TEN) <= CROWDS.keys()


@pytest.mark.parametrize("use", CROWDS)
def test_a_page_tells_how_its_sample_is_sent_and_asked(use: str) -> None:
    page = (ROOT / f"docs/analytics/{use}.md").read_text("utf-8")
    picture = "heatmap.png" if use == "heatmap" else f"{use}.svg"
    for part in (
        f"`GET {CROWDS[use].path}`",
        f"]({picture})",
        f"samples.analytics.send {use}",
        f"samples.analytics.ask {use}",
        "## How it is reckoned",
        "## How exact it is",
    ):
        assert part in page
    assert (ROOT / "docs/analytics" / picture).stat().st_size > 0
    assert f"analytics/{use}.md" in (ROOT / "mkdocs.yml").read_text("utf-8")


@pytest.mark.parametrize("use", CROWDS)
def test_the_sample_gives_the_answer_of_the_page(use: str) -> None:
    found = answer(CROWDS[use])
    assert found.get("series") or found.get("cells") or found.get("items")
    page = (ROOT / f"docs/analytics/{use}.md").read_text("utf-8")
    assert shown(found) in page, "python -m docs.analytics.make writes the answers anew"
    json.dumps(found)


def test_the_answer_about_a_queue_is_the_truth_measured_and_by_littles_law() -> None:
    corners = ((0.12, 0.35), (0.97, 0.35), (0.97, 0.65), (0.12, 0.65))
    zone = {"name": "till", "polygon": [list(corner) for corner in corners], "roles": ["queue"], "minimum_stay_s": 3}
    world = queueing(seed=2, duration_s=420)
    waits = [visit.seconds for visit in world.visits(Polygon(corners)) if visit.seconds >= 3]
    total = answer(replace(CROWDS["queue"], settings={"zones": [zone]}, people=lambda: world))["total"]
    assert total["wait_s"] == pytest.approx(statistics.fmean(waits), rel=0.10)
    assert total["little_s"] == pytest.approx(statistics.fmean(waits), rel=0.15)
    assert total["served"] == pytest.approx(len(waits), abs=2)
    assert total["wait_low_s"] < statistics.fmean(waits) < total["wait_high_s"]


@pytest.mark.parametrize("name", ["README", *FIGURES])
def test_a_page_tells_what_was_measured(name: str) -> None:
    page = (ROOT / f"docs/analytics/{name}.md").read_text("utf-8")
    table = tracking_table() if name == "README" else truth_table(name)
    assert table in page, "python -m docs.analytics.exactness writes the tables anew"


@pytest.mark.parametrize("before", ["", "{}\n", "{\n  1\n}\n"])
def test_what_follows_a_block_of_json_stays(before: str) -> None:
    page = "# Use\n\n```json\n{}```\n\n## Limits\n\n```bash\nmake\n```\n"
    assert with_answer(page.replace("{}", before), '{"new": 1}') == page.replace("{}", '{"new": 1}\n')


@pytest.mark.parametrize("number", [0, 2])
def test_a_page_has_one_block_of_json_and_one_table(number: int) -> None:
    with pytest.raises(ValueError, match=f"found {number}"):
        with_answer("```json\n```\n" * number, "{}")
    with pytest.raises(ValueError, match=f"found {number}"):
        with_table("| a |\n|---|\n\n" * number, "| a |\n|---|\n| 1 |\n")
