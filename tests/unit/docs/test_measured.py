"""The pages tell what bench/results holds."""

from pathlib import Path

import pytest

from docs.measured import TABLES

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", TABLES)
def test_a_page_has_the_figures_of_the_results(name: str) -> None:
    assert TABLES[name]() in (DOCS / name).read_text("utf-8"), "python -m docs.measured writes the tables anew"
