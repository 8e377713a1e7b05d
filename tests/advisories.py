"""Asks pip-audit for known weaknesses of the pinned dependencies, and tells an answer from none.

`python -m tests.advisories` ends with 0 when nothing is known, 1 when something is (or some pins were not looked up),
2 when nobody could be asked.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
_TIMEOUT_S = 15
_NOBODY_ANSWERS = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ServiceError", "HTTPError")


@dataclass(frozen=True)
class Advisories:
    """What is known of the pins.

    Attributes:
        looked_up: how many pins were.
        weaknesses: a line for each that is known.
        unknown: pins that were not looked up, each with the reason.
    """

    looked_up: int
    weaknesses: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def nobody_asked(self) -> bool:
        """Whether not one pin was looked up."""
        return self.looked_up == 0


def ask(requirements: Path = REQUIREMENTS, osv_url: str | None = None) -> Advisories:
    """Look up every pin, at PyPI or at a service that speaks OSV.

    Raises:
        RuntimeError: pip-audit broke for another reason than a service that does not answer.
    """
    service = [] if osv_url is None else ["--vulnerability-service", "osv", "--osv-url", osv_url]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "audit.json"
        command = [
            *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", requirements),
            *("--format", "json", "--output", output, "--progress-spinner", "off", "--timeout", str(_TIMEOUT_S)),
            *("--cache-dir", folder, *service),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if not output.exists() or not output.stat().st_size:
            reason = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
            if not any(error in done.stderr for error in _NOBODY_ANSWERS):
                raise RuntimeError(f"pip-audit ended with {done.returncode}: {done.stderr[-2000:]}")
            return Advisories(0, (), (reason,))
        pins = json.loads(output.read_text("utf-8"))["dependencies"]
    weaknesses = [
        f"{pin['name']} {pin['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version'}"
        for pin in pins
        for one in pin.get("vulns", ())
    ]
    unknown = [f"{pin['name']}: {pin['skip_reason']}" for pin in pins if "skip_reason" in pin]
    return Advisories(len(pins) - len(unknown), tuple(weaknesses), tuple(unknown))


def main() -> int:
    """Print what is known, and return the exit code."""
    known = ask()
    lines = [*known.weaknesses, *(known.unknown[:1] if known.nobody_asked else known.unknown)]
    lines.append(f"{known.looked_up} pins looked up, {len(known.weaknesses)} known weaknesses")
    if known.nobody_asked:
        lines.append("PyPI's advisories could not be asked: this is no answer")
    sys.stdout.write("\n".join(lines) + "\n")
    return 2 if known.nobody_asked else int(bool(known.weaknesses or known.unknown))


if __name__ == "__main__":
    sys.exit(main())
