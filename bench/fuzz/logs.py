"""What the logs of a system say went wrong: each kind of traceback once, with the last line of ours that it passed."""

import collections
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

_HEAD = "Traceback (most recent call last):"
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_ROOMS = {"contracts", "settings", "messaging", "detection", "analytics", "storage", "workers", "web", "ops"}
_ROOT = Path(__file__).parents[2]
_MOST = 200


def tracebacks(folder: Path) -> dict[str, int]:
    """Count tracebacks by role, line and error."""
    found: collections.Counter[str] = collections.Counter()
    for log in sorted(folder.glob("*.log")):
        for text in _texts(log):
            found[f"{log.stem}: {_brief(text)}"] += 1
    return dict(found.most_common())


def last_traceback(folder: Path, role: str) -> str:
    """Return the last traceback of a role in brief."""
    texts = [text for log in sorted(folder.glob(f"{role}.log")) for text in _texts(log)]
    return _brief(texts[-1]) if texts else "its log shows no traceback"


def _texts(log: Path) -> Iterator[str]:
    """Return each traceback of a log: a field of a line in JSON, or lines of their own."""
    open_lines: list[str] = []
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("{") and _HEAD in line:
                with contextlib.suppress(ValueError, KeyError):
                    yield str(json.loads(line)["traceback"])
            elif line.startswith(_HEAD):
                open_lines = [line]
            elif open_lines:
                open_lines.append(line)
                if line[:1] not in (" ", "\n"):
                    yield "".join(open_lines)
                    open_lines = []


def _brief(text: str) -> str:
    frames = [(Path(file), line) for file, line in _FRAME.findall(text)]
    inside = [(file.relative_to(_ROOT), line) for file, line in frames if file.is_relative_to(_ROOT)]
    ours = [f"{file}:{line}" for file, line in inside if file.parts[0] in _ROOMS]
    lines = [line for line in text.splitlines() if line and line[0] != " "]
    error = re.sub(r"0x[0-9a-f]+|\d{2,}", "N", lines[-1])[:_MOST] if lines else "?"
    return f"{ours[-1] if ours else '?'} {error}"
