"""A data directory belongs to one system at a time, and remembers what ran in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import CrowdwatchError
from ops.datadir import DataDir, ProcessRef, ProcessState, SystemState
from ops.guard import is_alive
from ops.private_files import kept_password

OWNER = """
import sys, time
from pathlib import Path
from ops.datadir import DataDir
with DataDir(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(600)
"""
SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]


def state_of(*roles: ProcessState) -> SystemState:
    return SystemState(
        supervisor=ProcessRef(0, 0.0),
        kafka_bootstrap_servers="127.0.0.1:1",
        redis_url="redis://127.0.0.1:2/0",
        mongodb_uri="mongodb://127.0.0.1:3",
        web_url="http://127.0.0.1:4",
        flower_url="http://127.0.0.1:5",
        roles=roles,
    )


def test_the_state_comes_back_as_it_was_written_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    assert folder.read_state() is None
    state = state_of(ProcessState("web", 7, "ready", 1.5, "http://127.0.0.1:4/metrics"))
    folder.write_state(state)
    assert folder.read_state() == state
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0


def test_a_state_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"web_url": 1}))
    with pytest.raises(CrowdwatchError, match=r"state\.json"):
        DataDir(tmp_path).read_state()


def test_a_folder_in_use_is_refused_and_free_again_when_its_owner_was_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"
        with pytest.raises(CrowdwatchError, match=f"in use by a running Crowdwatch .process {owner.pid}"):
            DataDir(tmp_path).locked().__enter__()
    finally:
        owner.kill()
        owner.communicate()
    with DataDir(tmp_path).locked():
        assert DataDir(tmp_path).owner() == ProcessRef.of(os.getpid())


def test_what_is_left_of_a_killed_system_is_ended(tmp_path: Path) -> None:
    left = subprocess.Popen(SLEEP, start_new_session=True)
    other = subprocess.Popen(SLEEP, start_new_session=True)
    try:
        wrong_time = ProcessRef.of(other.pid).create_time - 1000  # its number was another process' before
        DataDir(tmp_path).write_state(
            state_of(
                ProcessState("left", left.pid, "ready", ProcessRef.of(left.pid).create_time),
                ProcessState("other", other.pid, "ready", wrong_time),
            )
        )
        with DataDir(tmp_path).locked():
            assert left.wait(10) == -9
            assert is_alive(other.pid)
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "web.log").write_text("a picture")
    for path, mode in ((folder, 0o755), (folder / "logs", 0o755), (folder / "logs" / "web.log", 0o644)):
        path.chmod(mode)
    with DataDir(folder).locked():
        modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
    assert modes == {"data": 0o700, "logs": 0o700, "web.log": 0o600, "lock": 0o600}


def test_a_password_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "redis-password"
    password = kept_password(file)
    assert len(password) >= 24 and kept_password(file) == password
    assert file.stat().st_mode & 0o777 == 0o600
