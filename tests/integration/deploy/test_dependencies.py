"""What a deployment installs: known weaknesses, licences, and the bill of materials.

Advisories are asked of PyPI. Where it does not tell, as from behind some mirrors, the tests say so at their end; where
it does, a known weakness fails them.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from ops.ports import free_ports
from tests.advisories import REQUIREMENTS, ask

ROOT = REQUIREMENTS.parent
PIN = re.compile(r"^([a-z0-9][^ ]*==[^ ]+(?: ; .*?)?) *\\?$", re.MULTILINE)


def pins() -> dict[str, str]:
    """Return the version of each dependency that is installed on this platform."""
    wanted = [Requirement(found) for found in PIN.findall(REQUIREMENTS.read_text("utf-8"))]
    return {
        one.name: str(one.specifier).removeprefix("==") for one in wanted if one.marker is None or one.marker.evaluate()
    }


class OsvHandler(BaseHTTPRequestHandler):
    """Answers as OSV does: what is known of one package, and nothing of all others."""

    def log_message(self, format: str, *args: object) -> None: ...

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version = asked["package"]["name"], asked["version"]
        events = [{"introduced": "0"}, {"fixed": "99.1"}]
        affected = {
            "package": {"name": name, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
            "versions": [version],
        }
        known = {"id": "PYSEC-2026-1", "summary": "a test", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}
        body = json.dumps({"vulns": [known]} if name == "celery" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def osv() -> Iterator[str]:
    """Serve advisories, of which one is about a dependency."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OsvHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def test_no_dependency_has_a_known_weakness(record_property: Callable[[str, object], None]) -> None:
    known = ask()
    assert not known.weaknesses
    if known.nobody_asked:
        record_property("notice", f"no advisories: PyPI did not tell ({known.unknown[0]}); run `make audit` elsewhere")
    else:
        assert not known.unknown


def test_a_known_weakness_is_found_and_named() -> None:
    with osv() as url:
        known = ask(osv_url=url)
    assert known.weaknesses == (f"celery {pins()['celery']}: PYSEC-2026-1, mended in 99.1",)
    assert known.looked_up >= len(pins()) and not known.unknown


def test_an_answer_is_told_from_none() -> None:
    (nobody,) = free_ports(1)
    known = ask(osv_url=f"http://127.0.0.1:{nobody}/v1/query")
    assert known.nobody_asked and "Connection" in known.unknown[0]


def test_what_was_asked_wrongly_is_no_silence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pip-audit ended"):
        ask(tmp_path / "missing.txt")


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    """The bill of materials, made anew; its schema is checked, and the licences beside it."""
    made = subprocess.run(["make", "sbom"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    text = (ROOT / "build/sbom.cdx.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    version = next(one for one in SchemaVersion if one.to_version() == document["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None
    return document


def test_the_bill_of_materials_names_each_pin(bill: dict[str, Any]) -> None:
    assert bill["metadata"]["component"]["name"] == "crowdwatch"
    components = {re.sub(r"[-_.]+", "-", one["name"]).lower(): one["version"] for one in bill["components"]}
    assert components == pins()


@pytest.mark.usefixtures("bill")
def test_licences_are_told_and_others_refused() -> None:
    table = (ROOT / "build/licences.md").read_text("utf-8")
    named = re.sub(r"[-_.]+(?=\w)", "-", table).lower()
    assert [name for name in pins() if f"| {name} " not in named] == []
    command = ["pip-licenses", "--python", "build/deployed/bin/python", "--partial-match", "--allow-only", "MIT"]
    refused = subprocess.run(
        [Path(sys.executable).parent / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert refused.returncode == 1 and "not in allow-only" in refused.stderr
