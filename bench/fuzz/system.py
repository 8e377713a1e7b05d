"""A system to be sent odd things: started for it, or one that runs already; and what it says of itself."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psutil

from contracts.access import Role
from ops.datadir import DataDir, ProcessState, SystemState
from settings import Settings
from storage.api_keys import ApiKeys
from storage.client import connect
from web.access.keys import Keys

_START_WITHIN_S = 240
_ANSWERS_WITHIN_S = 10
_MIB = 1024 * 1024

_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


@dataclass(frozen=True)
class System:
    """A running system, by its data directory, with the key of an administrator."""

    folder: Path
    settings: Settings
    key: str

    def state(self) -> SystemState:
        """Return what the supervisor noted last."""
        state = DataDir(self.folder).read_state()
        assert state is not None
        return state

    @property
    def url(self) -> str:
        """Where the web is."""
        return self.state().web_url

    def roles(self) -> dict[str, ProcessState]:
        """Return the roles by name."""
        return {role.name: role for role in self.state().roles}

    def pids(self) -> dict[str, int]:
        """Return the process of every role and server."""
        state = self.state()
        return {one.name: one.pid for one in (*state.roles, *state.servers)}

    def memory_mib(self) -> dict[str, float]:
        """Return how much memory each role holds, its children included: what is theirs alone."""
        return {name: round(_memory(role.pid) / _MIB, 1) for name, role in self.roles().items()}

    @property
    def logs(self) -> Path:
        """Where every role and server has its log."""
        return DataDir(self.folder).logs

    def metrics(self, role: str) -> dict[str, float]:
        """Return the samples of a role's metrics, by name with labels."""
        url = self.roles()[role].metrics_url
        assert url is not None
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.key}"})
        with _open(request, timeout=_ANSWERS_WITHIN_S) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def unhealthy(self) -> list[str]:
        """Return which pages of health do not answer with 200, and what they say instead."""
        found = []
        for name, role in self.roles().items():
            for page in ("healthz", "readyz") if role.metrics_url else ():
                try:
                    with _open(f"{str(role.metrics_url).removesuffix('metrics')}{page}", timeout=_ANSWERS_WITHIN_S):
                        pass
                except OSError as error:  # an HTTPError is one
                    found.append(f"/{page} of {name}: {error}")
        return found


@contextmanager
def started(folder: Path) -> Iterator[System]:
    """Start a system in a folder, without the sample; stop it at the end."""
    try:
        done = _crowdwatch("up", "--detach", "--no-sample", "--port", "0", "--data-dir", str(folder))
        if done.returncode:
            raise RuntimeError(f"the system does not start: {done.stdout}{done.stderr}")
        yield running(folder)
    finally:
        _crowdwatch("down", "--data-dir", str(folder))


def running(folder: Path) -> System:
    """Return the system that runs in a folder."""
    state = json.loads(_crowdwatch("status", "--json", "--data-dir", str(folder)).stdout)
    names = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka_bootstrap_servers",
        "REDIS_URL": "redis_url",
        "MONGODB_URI": "mongodb_uri",
    }
    settings = Settings.from_environment({name: state[field] for name, field in names.items()})
    with connect(settings) as client:
        expires_at = datetime.now(timezone.utc) + timedelta(hours=12)
        _, key = Keys(ApiKeys(client, settings)).make("fuzz", Role.ADMINISTRATOR, None, "bench.fuzz", expires_at)
    return System(folder, settings, key)


def _crowdwatch(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ops", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=_START_WITHIN_S)


def _memory(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(int(one.memory_full_info().uss) for one in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0
