"""The list of decisions, by the titles of their pages."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parent / "adr"
_NUMBER = re.compile(r"^(?:ADR )?\d+[.:]\s*")


def adr_list() -> str:
    """Return a line of Markdown for each decision, relative to `docs`."""
    lines = []
    for page in sorted(_FOLDER.glob("0*.md")):
        title = page.read_text("utf-8").partition("\n")[0].removeprefix("# ").strip()
        lines.append(f"- [{page.name[:4]}](adr/{page.name}) · {_NUMBER.sub('', title)}")
    return "\n".join(lines) + "\n"
