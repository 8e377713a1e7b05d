"""Servers and roles for a benchmark, kept running by a supervisor in a thread of its own."""

import threading
from collections.abc import Mapping
from pathlib import Path

import psutil

from ops.ports import free_ports
from ops.roles import worker_role
from ops.servers.local import plain_environment, plan_servers
from ops.supervisor import Supervisor
from settings import Settings

READY_WITHIN_S = 120
SITE = "PYTHONPATH"


class Fleet:
    """Kafka, Redis, MongoDB and roles of `workers`, all its own; a context manager that returns when all answer.

    Args:
        settings: of the roles; the servers' addresses are filled in.
        folder: where servers keep data, and everything its log.
        roles: what is started, by name.
        site: a folder whose `sitecustomize.py` every role runs first.
        brokers: how many processes Kafka runs as.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        roles: tuple[str, ...] = ("bridge", "worker", "sink"),
        site: Path | None = None,
        brokers: int = 1,
    ) -> None:
        base: Mapping[str, str] = plain_environment(settings)
        local = plan_servers(settings, folder, lambda done, total: None, base, brokers)
        self.settings = local.settings
        base = {**base, SITE: str(site)} if site else base
        stage = [
            worker_role(role, local.settings, base, port)
            for role, port in zip(roles, free_ports(len(roles)) if roles else [], strict=True)
        ]
        self._supervisor = Supervisor(
            (local.specs, stage), folder / "logs", lambda process, what: None, backoff_s=(0.2,)
        )
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def __enter__(self) -> "Fleet":
        self._thread.start()
        self._ready.wait(READY_WITHIN_S + 10)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._supervisor.start()
            self._supervisor.wait_ready(READY_WITHIN_S)
            self._ready.set()
            self._supervisor.run(self._stop.is_set)
        except BaseException as error:
            self._failure = error
            self._ready.set()
        finally:
            self._supervisor.stop()

    @property
    def names(self) -> list[str]:
        """What runs, servers first."""
        return [one.spec.name for one in self._supervisor.all]

    def process(self, name: str) -> psutil.Process | None:
        """Return a process that runs now, None while it is being started anew."""
        pid = next(one.pid for one in self._supervisor.all if one.spec.name == name)
        try:
            return psutil.Process(pid) if pid else None
        except psutil.NoSuchProcess:
            return None

    def tree(self, name: str) -> list[psutil.Process]:
        """Return a process and its children, as far as they run now."""
        process = self.process(name)
        try:
            return [] if process is None else [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def pids(self) -> list[int]:
        """Return the ids of everything that runs, children included."""
        return [process.pid for name in self.names for process in self.tree(name)]
