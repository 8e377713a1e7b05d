"""A fleet of real roles, each its own process, for one test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pymongo
import pytest
from kafka import KafkaProducer

from settings import Settings

_READY_TIMEOUT_S = 90


class Fleet:
    """Starts, kills and restarts roles as processes, with their logs in a folder."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *roles: str) -> None:
        """Start roles without waiting for them."""
        for role in roles:
            with (self._folder / f"{role}.log").open("ab") as log:
                self._processes[role] = subprocess.Popen(
                    [sys.executable, "-m", "workers", role],
                    env=os.environ | self.settings.to_environment(),
                    stdout=log,
                    stderr=log,
                )

    def wait_for(self, text: str, role: str) -> None:
        """Wait until a role's log holds `text`."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while text not in self.log(role):
            assert self._processes[role].poll() is None, self.log(role)[-3000:]
            assert time.monotonic() < deadline, f"no {text!r} in the log of {role}:\n{self.log(role)[-3000:]}"
            time.sleep(0.1)

    def log(self, role: str) -> str:
        """Return a role's log."""
        return (self._folder / f"{role}.log").read_text("utf-8", "replace")

    def pid(self, role: str) -> int:
        """Return a role's process id."""
        return self._processes[role].pid

    def kill(self, role: str) -> None:
        """Kill -9 a role and its children."""
        process = self._processes.pop(role)
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in tree:
            member.kill()
        process.wait()
        psutil.wait_procs(tree, timeout=10)

    def pause(self, role: str) -> list[psutil.Process]:
        """SIGSTOP a role and its children; returns them, to be resumed."""
        process = psutil.Process(self._processes[role].pid)
        tree = [process, *process.children(recursive=True)]
        for member in tree:
            member.suspend()
        return tree

    def stop(self) -> dict[str, int]:
        """Stop all roles as an operator does, and return their exit codes."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {role: process.wait(60) for role, process in self._processes.items()}
        self._processes.clear()
        return codes


@pytest.fixture
def fleet(settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet on topics and a database of its own; nothing is started yet."""
    fleet = Fleet(settings.model_copy(update={"cache_dir": tmp_path / "cache", "worker_processes": 2}), tmp_path)
    yield fleet
    fleet.stop()


@pytest.fixture
def documents(settings: Settings) -> Iterator["pymongo.collection.Collection"]:
    """The collection of results."""
    with pymongo.MongoClient(settings.mongodb_uri, tz_aware=True) as client:
        yield client[settings.mongodb_database].DetectedFaces
        client.drop_database(settings.mongodb_database)


@pytest.fixture
def foreign(settings: Settings) -> Iterator[KafkaProducer]:
    """A producer that knows nothing of Crowdwatch."""
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), acks="all", max_request_size=32 * 1024 * 1024
    )
    yield producer
    producer.close()


def wait_for_count(collection: "pymongo.collection.Collection", count: int, timeout_s: float = 120) -> None:
    """Wait until the collection holds `count` documents, and see that it stays so."""
    deadline = time.monotonic() + timeout_s
    while (found := collection.count_documents({})) < count:
        assert time.monotonic() < deadline, f"{found} documents of {count} after {timeout_s} s"
        time.sleep(0.1)
    assert collection.count_documents({}) == count
