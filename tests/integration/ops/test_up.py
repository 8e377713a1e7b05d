"""`crowdwatch up`, whole: ready, refused twice in one folder, nothing left after `kill -9`, and up again at once."""

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

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
        assert {role["name"] for role in shown["roles"]} == {"web", "bridge", "worker", "sink"}
        assert {server["name"] for server in shown["servers"]} == {"kafka", "redis", "mongo", "flower"}
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
    finally:
        crowdwatch("down", "--data-dir", str(tmp_path))
    assert states(status(tmp_path)) == {"stopped"}
    assert not any(is_alive(process.pid) for process in family)


def status_owner(data_dir: Path) -> int:
    """The process that owns the folder now."""
    owner = DataDir(data_dir).owner()
    assert owner is not None
    return owner.pid
