"""`crowdwatch up`, whole: ready, refused twice in one folder, nothing left after `kill -9`, and up again at once."""

import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import HTTPCookieProcessor, build_opener

import psutil
import pytest

from ops.datadir import DataDir
from ops.guard import is_alive

ORPHANS_END_WITHIN_S = 10


def crowdwatch(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a user would who names no server."""
    servers = {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "MONGODB_URI"}
    environment = {name: value for name, value in os.environ.items() if name not in servers}
    command = [sys.executable, "-m", "ops", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)


def status(data_dir: Path) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(crowdwatch("status", "--json", "--data-dir", str(data_dir)).stdout)
    return shown


def states(shown: dict[str, Any]) -> set[str]:
    return {process["state"] for process in (*shown["roles"], *shown["servers"])}


@pytest.mark.slow
def test_from_up_over_kill_to_down(tmp_path: Path) -> None:
    up = ("up", "--detach", "--no-sample", "--port", "0", "--data-dir", str(tmp_path))
    try:
        started = crowdwatch(*up)
        assert started.returncode == 0, started.stdout + started.stderr
        shown = status(tmp_path)
        assert states(shown) == {"ready"}
        assert {role["name"] for role in shown["roles"]} >= {"web", "bridge", "worker", "sink"}
        assert {server["name"] for server in shown["servers"]} == {"kafka", "redis", "mongo", "flower"}
        password, link = the_way_in(started.stdout)
        assert password is not None
        assert (visit(link), visit(link)) == ("admin", None)
        assert [word is None for word in the_way_in(crowdwatch("login", "--data-dir", str(tmp_path)).stdout)] == [
            True,
            False,
        ]

        doctor = crowdwatch("doctor", "--data-dir", str(tmp_path))
        assert doctor.returncode == 0, doctor.stdout

        again = crowdwatch(*up)
        assert again.returncode == 1
        assert "in use by a running Crowdwatch" in again.stdout + again.stderr
        assert states(status(tmp_path)) == {"ready"}

        owner = DataDir(tmp_path).owner()
        assert owner is not None
        supervisor = psutil.Process(owner.pid)
        family = supervisor.children(recursive=True)
        assert len(family) > 8
        ips = {
            connection.laddr.ip
            for process in family
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert all(ipaddress.ip_address(ip).is_loopback for ip in ips)

        assert not open_to_others(tmp_path)

        os.kill(owner.pid, signal.SIGKILL)
        deadline = time.monotonic() + ORPHANS_END_WITHIN_S
        while any(is_alive(process.pid) for process in family):
            left = [process for process in family if is_alive(process.pid)]
            assert time.monotonic() < deadline, f"orphans: {left}"
            time.sleep(0.1)
        assert states(status(tmp_path)) == {"stopped"}

        restarted = crowdwatch(*up)
        assert restarted.returncode == 0, restarted.stdout + restarted.stderr
        family = psutil.Process(status_owner(tmp_path)).children(recursive=True)
        assert the_way_in(restarted.stdout)[0] is None
        assert visit(the_way_in(restarted.stdout)[1]) == "admin"
        for log in (tmp_path / "logs").iterdir():
            text = log.read_text()
            assert password not in text and link.partition("token=")[2] not in text, log
    finally:
        crowdwatch("down", "--data-dir", str(tmp_path))
    assert states(status(tmp_path)) == {"stopped"}
    assert not any(is_alive(process.pid) for process in family)


def open_to_others(folder: Path) -> list[Path]:
    """What in a data directory group or others may read, write or enter."""
    return [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & 0o077 and not path.is_symlink()]


def the_way_in(printed: str) -> tuple[str | None, str]:
    """The administrator's password, where one is printed, and the link."""
    password, link = (
        re.search(r"the password (\S+)", printed),
        re.search(r"Sign in, once.*: (http\S+token=\S+)", printed),
    )
    assert link is not None, printed
    return None if password is None else password[1], link[1]


def visit(link: str) -> str | None:
    """Who is signed in after a browser went to `link`; None when it does not sign in."""
    browser = build_opener(HTTPCookieProcessor())
    browser.addheaders = [("Accept", "text/html,*/*;q=0.8")]
    try:
        with browser.open(link, timeout=30) as page:
            assert "token" not in page.url
        with browser.open(urljoin(link, "/api/me"), timeout=30) as me:
            name: str = json.load(me)["name"]
            return name
    except HTTPError as error:
        with error:
            assert error.code == 403
            return None


def status_owner(data_dir: Path) -> int:
    """The process that owns the folder now."""
    owner = DataDir(data_dir).owner()
    assert owner is not None
    return owner.pid
