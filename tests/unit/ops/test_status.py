"""States, as the status tells them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops.datadir import ProcessRef, ProcessState, SystemState
from ops.status import is_ready, live_state, public_state, without_password
from settings import Settings


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    """Where a role serves its pages."""
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def dead() -> ProcessRef:
    """A process that is gone."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    ref = ProcessRef.of(process.pid)
    process.communicate()
    return ref


def state_of(supervisor: ProcessRef, role: ProcessState) -> SystemState:
    return SystemState(supervisor, "127.0.0.1:1", "redis://127.0.0.1:1", "mongodb://127.0.0.1:1", "", "", (role,))


ME = ProcessRef.of(os.getpid())
SILENT = "http://127.0.0.1:1"


def look(supervisor: ProcessRef, noted: str, process: ProcessRef, url: str) -> str:
    role = ProcessState("bridge", process.pid, noted, process.create_time, f"{url}/metrics")
    return live_state(state_of(supervisor, role), Settings()).roles[0].state


def test_a_role_is_what_it_answers(url: str, dead: ProcessRef) -> None:
    assert look(ME, "starting", ME, url) == "ready"
    assert look(ME, "ready", ME, SILENT) == "starting"
    assert look(ME, "failed", ME, SILENT) == "failed"
    assert look(ME, "failed", ProcessRef(0, 0.0), SILENT) == "failed"
    assert look(ME, "ready", dead, url) == "starting"  # about to be started again
    assert look(dead, "ready", dead, url) == "stopped"
    assert look(dead, "failed", dead, SILENT) == "stopped"


def test_an_external_server_that_does_not_answer_has_failed() -> None:
    redis = ProcessState("redis", 0, "ready", external=True)
    state = SystemState(ME, "127.0.0.1:1", "redis://127.0.0.1:1", "mongodb://127.0.0.1:1", "", "", (), (redis,))
    live = live_state(state, Settings())
    assert [server.state for server in live.servers] == ["failed"]
    assert not is_ready(live)
    assert public_state(live)["servers"] == [{"name": "redis", "pid": 0, "state": "failed"}]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@host/0", "redis://:***@host/0"),
        ("mongodb://me:sec:ret@a,b/?x=1", "mongodb://me:***@a,b/?x=1"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
