"""`crowdwatch up --detach` and `crowdwatch down`: a system that outlives the command that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from contracts.errors import CrowdwatchError
from ops.datadir import DataDir, ProcessRef, SystemState, with_running_servers
from ops.private_files import PRIVATE_UMASK, make_private
from ops.status import is_ready
from ops.supervisor import State
from ops.way_in import way_in
from settings import Settings

_READY_TIMEOUT_S = 600.0  # on the first start Kafka is fetched
_STOP_TIMEOUT_S = 40.0
_KILL_TIMEOUT_S = 10.0


def up_detached(data_dir: Path, port: int | None, *, sample: bool) -> None:
    """Start a system as a process of its own, show what it prints, and return when all of it is ready.

    Raises:
        CrowdwatchError: it ended, or something failed; then nothing is left running.
    """
    folder = DataDir(data_dir)
    os.umask(PRIVATE_UMASK)
    make_private(folder.path)
    folder.logs.mkdir(exist_ok=True)
    log = folder.logs / "up.log"
    arguments = [*([] if port is None else ["--port", str(port)]), *([] if sample else ["--no-sample"])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--no-link", "--data-dir", str(folder.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"},
        )
    deadline = time.monotonic() + _READY_TIMEOUT_S
    with log.open() as lines:
        shown = ""
        while True:
            new = lines.read()
            click.echo(new, nl=False)
            shown += new
            state = _state_under(folder, process.pid)
            if state is not None and is_ready(state) and state.web_url in shown:
                break
            if process.poll() is not None:
                click.echo(lines.read(), nl=False)
                raise CrowdwatchError(f"it did not start; its output is in {log}")
            if time.monotonic() > deadline or (state is not None and _failed(state)):
                process.terminate()
                process.wait()
                click.echo(lines.read(), nl=False)
                failed = ", ".join(_failed(state)) if state else "it"
                raise CrowdwatchError(f"{failed} did not become ready; the logs are in {folder.logs}")
            time.sleep(0.1)
    for line in way_in(with_running_servers(Settings.from_environment(), folder), state.web_url):
        click.echo(line)  # here, so that it is in no log
    click.echo(f"running in the background; stop it with `crowdwatch down --data-dir {folder.path}`")


def _state_under(folder: DataDir, supervisor_pid: int) -> SystemState | None:
    """Return the noted state, if it is that supervisor's and not an earlier one's."""
    state = folder.read_state()
    return state if state is not None and state.supervisor.pid == supervisor_pid else None


def _failed(state: SystemState) -> list[str]:
    return [one.name for one in (*state.roles, *state.servers) if one.state == State.FAILED.value]


def down(data_dir: Path) -> bool:
    """Stop the system of a data directory, and return whether one ran.

    Raises:
        CrowdwatchError: it could not be stopped.
    """
    owner = DataDir(data_dir).owner()
    if owner is None or not owner.running:
        return False
    for number, timeout_s in ((signal.SIGTERM, _STOP_TIMEOUT_S), (signal.SIGKILL, _KILL_TIMEOUT_S)):
        os.kill(owner.pid, number)
        if _ended(owner, timeout_s):
            return True
    raise CrowdwatchError(f"process {owner.pid} does not end")


def _ended(process: ProcessRef, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while process.running:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
