"""The documentation site builds without a warning, and without a network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def test_generated_parts_are_there(site):
    for variable in Settings.variables():
        assert variable in text_of(site / "installation/configuration/index.html")
    assert "GET /receive" in text_of(site / "reference/http/index.html")
    assert "crowdwatch forget" in text_of(site / "reference/commands/index.html")
    assert "GroupConsumer" in text_of(site / "reference/consumer/index.html")
    assert "KafkaProducer" in text_of(site / "getting-started/index.html")
    assert "0008-pictures-are-decoded-strictly" in text_of(site / "decisions/index.html")
    for page in site.rglob("*.html"):
        assert "generated:" not in text_of(page), page


def test_a_reader_fetches_nothing_from_other_sites(site):
    for page in site.rglob("*.html"):
        for address in re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]+)"', text_of(page)):
            assert not address.startswith(("http:", "https:", "//")), f"{page}: {address}"
