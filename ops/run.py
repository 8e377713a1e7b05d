"""A system that runs in this process' foreground: from the lock on its data directory to the last process' end."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from contracts.errors import CrowdwatchError, UnavailableError
from ops.console import Reporter
from ops.datadir import DataDir
from ops.private_files import PRIVATE_UMASK
from ops.roles import web_url
from ops.supervisor import State
from ops.system import System, plan_system
from ops.way_in import way_in
from settings import Settings

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Run:
    """A running system, and the signal that ends it: the first stops it in order, a second at once."""

    def __init__(self, system: System, reporter: Reporter) -> None:
        self.settings = system.settings
        self._system = system
        self._reporter = reporter
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether a signal came."""
        return self._stop.is_set()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if self._stop.is_set():
            self._system.supervisor.force()
        self._stop.set()

    def wait_ready(self) -> None:
        """Return when every process answers, has failed, or a signal came.

        Raises:
            CrowdwatchError: a server failed; without it nothing can work.
        """
        supervisor = self._system.supervisor
        servers = supervisor.stages[0]
        supervisor.run(
            lambda: (
                self.stopped
                or any(server.state is State.FAILED for server in servers)
                or all(one.state in (State.READY, State.FAILED) for one in supervisor.all)
            )
        )
        for server in servers:
            if server.state is State.FAILED:
                raise CrowdwatchError(f"{server.spec.name} cannot be started: its log is {server.log.path}")

    def until(self, done: threading.Event) -> None:
        """Look after the system until `done` is set or a signal came."""
        self._system.supervisor.run(lambda: self.stopped or done.is_set())

    def metrics_urls(self) -> dict[str, str]:
        """Return where each role serves its metrics."""
        specs = [one.spec for one in self._system.supervisor.all]
        return {spec.name: spec.metrics_url for spec in specs if spec.metrics_url is not None}

    def kill(self, name: str) -> None:
        """End a process with SIGKILL, as a crash would; `until` starts it again. Safe in any thread."""
        pid = next(one.pid for one in self._system.supervisor.all if one.spec.name == name)
        if pid:
            self._reporter.about_to_kill(name)
            os.kill(pid, signal.SIGKILL)

    def announce(self, *, with_way_in: bool) -> None:
        """Tell where everything is and, if asked to, how to get in."""
        if not self.stopped:
            url = web_url(self.settings)
            ready = self._system.supervisor.ready
            self._reporter.say(f"Crowdwatch is {'ready' if ready else 'running, not all of it'}: {url}", "bold")
            flower = f"Flower: {self._system.flower_url} (`crowdwatch status` tells its password)"
            self._reporter.say(f"{flower}; logs: {self._system.logs}; Ctrl-C stops everything")
            if with_way_in:
                self._show_way_in(url)

    def _show_way_in(self, url: str) -> None:
        try:
            lines = way_in(self.settings, url)
        except UnavailableError as error:
            self._reporter.say(f"no link to sign in: {error}; `crowdwatch login` makes one later", "bold red")
        else:
            for line in lines:
                self._reporter.say(line, "bold")


@contextmanager
def running_system(data_dir: Path, settings: Settings, reporter: Reporter, *, sample: bool) -> Iterator[Run]:
    """Start a system, and stop all of it at the end.

    Raises:
        CrowdwatchError: the folder is in use, or something that is needed is missing.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while things are fetched, Ctrl-C ends at once: nothing runs yet
    folder = DataDir(data_dir)
    os.umask(PRIVATE_UMASK)  # of all that is started, too
    with folder.locked() as lock_fd:
        plan = plan_system(settings, folder, sample=sample, on_progress=reporter.fetching)
        system = System(plan, folder, lock_fd, reporter.changed)
        run = Run(system, reporter)
        before = {number: signal.signal(number, run.on_signal) for number in _SIGNALS}
        try:
            system.supervisor.start()
            names = ", ".join(process.spec.name for process in system.supervisor.all)
            reporter.say(f"starting {names}; data in {folder.path}")
            yield run
        finally:
            reporter.stopping()
            system.supervisor.stop()
            for number, handler in before.items():
                signal.signal(number, handler)
