"""Each use has a page in the navigation with a picture, an answer as the code gives it, and a sample that runs."""

import json
from pathlib import Path

import pytest

from docs.analytics.make import answer, shown
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
    ):
        assert part in page
    assert (ROOT / "docs/analytics" / picture).stat().st_size > 0
    assert f"analytics/{use}.md" in (ROOT / "mkdocs.yml").read_text("utf-8")


@pytest.mark.parametrize("use", CROWDS)
def test_the_sample_gives_the_answer_of_the_page(use: str) -> None:
    found = answer(CROWDS[use])
    assert found.get("series") or found.get("cells") or found.get("items")
    page = (ROOT / f"docs/analytics/{use}.md").read_text("utf-8")
    assert shown(found) in page, "python docs/analytics/make.py writes the answers anew"
    json.dumps(found)
