"""The documents, and the commands that they show."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCES = re.compile(r"^( *)```([^`\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_SHELL = ("bash", "console", "")
_SETTING = re.compile(r"^[A-Z_]+=\S*$")


def is_setting(word: str) -> bool:
    """Whether a word of a command sets a variable."""
    return _SETTING.match(word) is not None


def command_lines(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each command in a page's fences of shell: its line, and its words without variables before it."""
    for fence in _FENCES.finditer(page.read_text("utf-8")):
        if fence[2] not in _SHELL:
            continue
        for line in fence[3].replace("\\\n", " ").splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:  # a part of something that spans lines
                continue
            while words and is_setting(words[0]):
                words = words[1:]
            if words:
                yield line.strip(), words
