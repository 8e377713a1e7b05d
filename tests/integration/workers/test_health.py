"""Every role's loop beats: none is taken for one that stands still while it works, waits or has nothing to do."""

import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from messaging.admin import ensure_topics
from settings import Settings
from workers.__main__ import ROLES

_ALLOWED_S = 8.0
_WATCHED_S = 20.0
_START = (
    f"import workers.runner as runner; runner.Heartbeat.__init__.__defaults__ = ({_ALLOWED_S}, runner.time.monotonic); "
    "import workers.__main__ as main; main.main()"
)


def test_every_role_beats(settings: Settings, tmp_path: Path) -> None:
    ensure_topics(settings)
    environment = settings.model_copy(update={"worker_processes": 1, "cache_dir": tmp_path / "cache"}).to_environment()
    roles: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for role in ROLES:
            with (tmp_path / f"{role}.log").open("wb") as log:
                command = [sys.executable, "-c", _START, role]
                roles[role] = subprocess.Popen(command, env={"PATH": "/usr/bin:/bin"} | environment, stderr=log)
        ports = {role: _port(tmp_path / f"{role}.log") for role in ROLES}
        deadline = time.monotonic() + _WATCHED_S
        while time.monotonic() < deadline:
            for role, port in ports.items():
                assert roles[role].poll() is None, (tmp_path / f"{role}.log").read_text()[-2000:]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as page:
                    assert page.status == 200, role
            time.sleep(1.0)
    finally:
        for process in roles.values():
            process.terminate()
        for process in roles.values():
            process.wait(60)


def _port(log: Path) -> int:
    deadline = time.monotonic() + 60
    while not (found := re.search(r"health pages on port (\d+)", log.read_text("utf-8", "replace"))):
        assert time.monotonic() < deadline, log
        time.sleep(0.1)
    return int(found.group(1))
