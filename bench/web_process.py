"""Kafka, Redis, MongoDB and one web role for a benchmark, without detection."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.fleet import Fleet
from ops.ports import free_ports
from ops.roles import python_environment
from ops.servers.local import plain_environment
from settings import Settings

_READY_S = 60


@dataclass(frozen=True)
class WebUnderTest:
    """A web role that answers, and the servers' addresses."""

    settings: Settings
    process: psutil.Process

    @property
    def port(self) -> int:
        """Where it serves, on loopback."""
        return self.settings.web_port

    def processor_s(self) -> float:
        """Processor time that the role has taken so far, with the processes below it."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(times.user + times.system for times in (one.cpu_times() for one in family))


@contextmanager
def serving(**changes: object) -> Iterator[WebUnderTest]:
    """Start the servers and the web role with changed settings; both are ready, and gone afterwards."""
    settings = Settings(auth="off", web_port=free_ports(1)[0]).model_copy(update=changes)
    with tempfile.TemporaryDirectory(prefix="web-") as folder, Fleet(settings, Path(folder), roles=()) as fleet:
        settings = fleet.settings
        environment = python_environment(settings, plain_environment(settings))
        with (Path(folder) / "web.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "web"], stderr=log, env={**os.environ, **environment})
        try:
            _wait(f"http://127.0.0.1:{settings.web_port}/readyz")
            yield WebUnderTest(settings, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str) -> None:
    deadline_s = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)
