"""The documents say what the code says. `python -m tests.unit.test_docs` writes the settings' table anew."""

import re
from pathlib import Path

import pytest

from docs.settings_table import settings_table
from ops.cli import COMMANDS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_TABLE = re.compile(r"(<!-- settings: begin [^\n]*-->\n).*?(<!-- settings: end -->)", re.DOTALL)


def test_the_readme_tells_every_setting():
    text = README.read_text("utf-8")
    assert _TABLE.sub(rf"\g<1>{settings_table()}\g<2>", text) == text, "run: python -m tests.unit.test_docs"


def test_the_readme_names_no_command_that_does_not_exist():
    named = set(re.findall(r"`?crowdwatch ([a-z-]+)", README.read_text("utf-8")))
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("target", ["run", "test", "demo", "check", "help"])
def test_the_targets_that_the_readme_names_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert f"make {target}" in README.read_text("utf-8")


def test_links_lead_somewhere():
    for document in [README, *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
            assert link.startswith("http") or (document.parent / link).exists(), f"{document}: {link}"


if __name__ == "__main__":
    old = README.read_text("utf-8")
    README.write_text(_TABLE.sub(rf"\g<1>{settings_table()}\g<2>", old), "utf-8")
