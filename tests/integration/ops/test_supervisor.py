"""The supervisor, with real processes: short programs that serve HTTP, ignore signals, or die."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from contracts.errors import CrowdwatchError
from ops.guard import is_alive
from ops.ports import free_ports
from ops.process import ProcessSpec
from ops.roles import probe_http
from ops.supervisor import State, Supervised, Supervisor

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + SERVER
BROKEN = "import sys; print('no such luck'); sys.exit(3)"

# A parent of its own, to be killed: it runs a server that ignores SIGTERM and has a child in a session of its own.
PARENT = """
import sys, threading
from pathlib import Path
from ops.process import ProcessSpec
from ops.supervisor import Supervisor
family = '''
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-I", "-S", "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"], start_new_session=True)
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
'''
folder = Path(sys.argv[1])
spec = ProcessSpec("family", (sys.executable, "-I", "-S", "-c", family, str(folder / "pids")), lambda: None, {})
supervisor = Supervisor(((spec,),), folder / "logs", lambda process, what: None)
supervisor.start()
supervisor.run(threading.Event().is_set)
"""

Happened = list[tuple[str, str]]
Start = Callable[..., Supervisor]


def python(name: str, program: str, *arguments: str, url: str = "http://127.0.0.1:9/") -> ProcessSpec:
    """A process that runs a short Python program; it is ready when `url` answers."""
    return ProcessSpec(name, (sys.executable, "-I", "-S", "-c", program, *arguments), partial(probe_http, url, 1.0), {})


def server(name: str, program: str = SERVER) -> ProcessSpec:
    """A process that serves HTTP on a free port."""
    (port,) = free_ports(1)
    return python(name, program, str(port), url=f"http://127.0.0.1:{port}/")


def eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


def run_until(supervisor: Supervisor, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    supervisor.run(lambda: condition() or time.monotonic() > deadline)
    assert condition(), [(one.spec.name, one.state, one.log.tail()) for one in supervisor.all]


def pid_of(supervisor: Supervisor, name: str) -> int:
    return next(one.pid for one in supervisor.all if one.spec.name == name)


@pytest.fixture
def happened() -> Happened:
    """What the supervisor told, in order."""
    return []


@pytest.fixture
def start(tmp_path: Path, happened: Happened) -> Iterator[Start]:
    """Start a supervisor of stages; it is stopped at the end of the test."""
    with contextlib.ExitStack() as stack:

        def tell(process: Supervised, what: str) -> None:
            happened.append((process.spec.name, what.split(" ")[0]))

        def start(*stages: tuple[ProcessSpec, ...]) -> Supervisor:
            supervisor = Supervisor(stages, tmp_path / "logs", tell)
            stack.callback(supervisor.stop)
            supervisor.start()
            return supervisor

        yield start


def test_a_stage_starts_when_all_before_it_answers_and_stops_before_them(start: Start, happened: Happened) -> None:
    supervisor = start((server("first"),), (server("second"),))
    supervisor.wait_ready(30)
    assert happened == [("first", "started"), ("first", "ready"), ("second", "started"), ("second", "ready")]
    pids = [one.pid for one in supervisor.all]
    del happened[:]
    supervisor.stop()
    assert happened == [("second", "stopped"), ("first", "stopped")]
    assert not any(is_alive(pid) for pid in pids)
    assert [one.state for one in supervisor.all] == [State.STOPPED, State.STOPPED]


def test_what_dies_is_started_again(start: Start) -> None:
    supervisor = start((server("one"), server("other")))
    supervisor.wait_ready(30)
    dead, other = pid_of(supervisor, "one"), pid_of(supervisor, "other")
    os.kill(dead, signal.SIGKILL)
    run_until(supervisor, lambda: pid_of(supervisor, "one") not in (0, dead))
    run_until(supervisor, lambda: supervisor.ready)
    assert pid_of(supervisor, "other") == other


def test_what_dies_again_and_again_has_failed_and_its_log_says_why(start: Start) -> None:
    supervisor = start((python("broken", BROKEN), server("other")))
    with pytest.raises(CrowdwatchError, match="no such luck"):
        supervisor.wait_ready(30)
    broken, other = supervisor.all
    assert (broken.state, broken.deaths) == (State.FAILED, 3)
    run_until(supervisor, lambda: other.state is State.READY)
    run_until(supervisor, lambda: broken.deaths > 3)
    assert broken.state is State.FAILED  # it is tried again all the same


def test_what_is_silent_is_no_longer_ready(start: Start) -> None:
    supervisor = start((server("one"),))
    supervisor.wait_ready(30)
    (one,) = supervisor.all
    os.kill(one.pid, signal.SIGSTOP)
    run_until(supervisor, lambda: one.state is State.STARTING)
    os.kill(one.pid, signal.SIGCONT)
    run_until(supervisor, lambda: one.state is State.READY)


def test_a_second_signal_kills_what_does_not_stop(start: Start) -> None:
    supervisor = start((server("stubborn", STUBBORN),))
    supervisor.wait_ready(30)
    pid = supervisor.all[0].pid
    began = time.monotonic()
    supervisor.force()
    supervisor.stop()
    assert not is_alive(pid)
    assert time.monotonic() - began < 5


def test_a_killed_guard_is_replaced(start: Start) -> None:
    supervisor = start((server("one"),))
    supervisor.wait_ready(30)
    guard = supervisor._guard
    assert guard is not None
    guard.kill()
    run_until(supervisor, lambda: supervisor._guard is not guard)
    assert supervisor._guard is not None
    assert supervisor._guard.poll() is None


def test_nothing_survives_a_parent_that_was_killed(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    try:
        eventually(lambda: noted.exists() and len(noted.read_text().split()) == 2)
        leader, grandchild = map(int, noted.read_text().split())
        assert is_alive(leader)
        assert is_alive(grandchild)
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: not is_alive(leader) and not is_alive(grandchild), timeout_s=10)
