"""What every role has in common: its log, its signals, its health pages, and patience while servers come up."""

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from socketserver import ThreadingMixIn
from types import FrameType
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Counter, make_wsgi_app

from contracts.errors import CrowdwatchError, UnavailableError
from contracts.times import to_rfc3339
from settings import Settings
from settings.logs import configure_logging

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 120.0
_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 5.0
_STILL_S = 180.0
"""Longer than any step that waits for a server: the longest is a record that Kafka does not acknowledge, 130 s."""

_LONGEST_BETWEEN_STEPS_S = 1.0
"""A step that fails has waited for its server already, and what it waits for holds up everybody behind it."""

ROLE_ERRORS = Counter(
    "crowdwatch_role_errors", "Records that broke a role's code, were logged and passed over", ["role"]
)


class Role(Protocol):
    """A process of the fleet."""

    def start(self) -> None:
        """Connect to the servers; raises `UnavailableError` while one does not answer."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""

    def close(self) -> None:
        """Finish what is at hand and disconnect. Called once, also after a `start` that failed."""

    def ready(self) -> dict[str, bool]:
        """Tell of each thing that the role needs whether it is there."""


class Heartbeat:
    """Tells whether a role's loop stands still.

    Args:
        allowed_s: how long one step may take.
        clock: the time, in seconds that only rise.
    """

    def __init__(self, allowed_s: float = _STILL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowed_s = allowed_s
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Learn that the loop goes round."""
        self._last = self._clock()

    def still_s(self) -> float | None:
        """Return how many seconds the loop has stood still, None while that may be a long step."""
        still_s = self._clock() - self._last
        return still_s if still_s > self._allowed_s else None


class StopSignal(threading.Event):
    """Set when the role is to end. Every loop asks it in each round, and that is the role's heartbeat.

    Only what the thread that made it asks counts: others may go round while the role stands still.
    """

    def __init__(self, heartbeat: Heartbeat) -> None:
        super().__init__()
        self._heartbeat = heartbeat
        self._thread = threading.get_ident()

    def is_set(self) -> bool:
        self._beat()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._beat()
        try:
            return super().wait(timeout)
        finally:
            self._beat()

    def _beat(self) -> None:
        if threading.get_ident() == self._thread:
            self._heartbeat.beat()


def run_role(name: str, role: Role, settings: Settings) -> int:
    """Run a role until SIGTERM or SIGINT, with `/healthz`, `/readyz` and `/metrics` on its own port.

    Returns the exit code: 0 after a signal, 1 when the role could not start or broke.
    """
    configure_logging(settings, name)
    heartbeat = Heartbeat()
    stop = StopSignal(heartbeat)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.info("%s: stopping", signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with HealthServer(role.ready, settings.health_host, settings.health_port, heartbeat) as health:
        log.info("%s: health pages on port %d", name, health.port)
        try:
            _start(role, stop)
            if not stop.is_set():
                log.info("%s: started", name)
                role.run(stop)
        except CrowdwatchError as error:
            log.error("%s: %s", name, error)
            return 1
        finally:
            role.close()
    for number in (signal.SIGTERM, signal.SIGINT):  # a second signal must not make a failure of a clean end
        signal.signal(number, signal.SIG_IGN)
    log.info("%s: stopped", name)
    return 0


def _start(role: Role, stop: threading.Event) -> None:
    """Start the role; while a server does not answer, try again for two minutes."""
    backoff = Backoff()
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not stop.is_set():
        try:
            role.start()
        except UnavailableError as error:
            if time.monotonic() > deadline:
                raise
            log.warning("waiting: %s", error)
            stop.wait(backoff.next_s())
        else:
            return


class Backoff:
    """Waiting times that double from 0.2 s to 5 s, or to `longest_s`, and start anew after a success."""

    def __init__(self, longest_s: float = _LONGEST_BACKOFF_S) -> None:
        self._longest_s = longest_s
        self._next_s = _FIRST_BACKOFF_S

    def next_s(self) -> float:
        """Return how long to wait now, in seconds."""
        wait_s = self._next_s
        self._next_s = min(self._next_s * 2, self._longest_s)
        return wait_s

    def reset(self) -> None:
        """Start anew: a call succeeded."""
        self._next_s = _FIRST_BACKOFF_S


def run_steps(
    step: Callable[[], None],
    stop: threading.Event,
    count: int | None,
    *,
    healthy: dict[str, bool],
    server: str,
    pause_s: float = 0.0,
) -> None:
    """Call `step` until `stop` is set, or `count` times, with a pause after each call.

    A server that does not answer is waited for; `healthy[server]` tells whether the last call found it.
    """
    backoff, steps = Backoff(_LONGEST_BETWEEN_STEPS_S), 0
    while not stop.is_set() and (count is None or steps < count):
        steps += 1
        try:
            step()
        except UnavailableError as error:
            healthy[server] = False
            log.warning("%s", error)
            stop.wait(backoff.next_s())
        else:
            healthy[server] = True
            backoff.reset()
            stop.wait(pause_s)


class HealthServer:
    """Serves `/healthz`, `/readyz` and `/metrics` in a thread of its own."""

    def __init__(self, ready: Callable[[], dict[str, bool]], host: str, port: int, heartbeat: Heartbeat) -> None:
        self._ready = ready
        self._heartbeat = heartbeat
        self._metrics = make_wsgi_app()
        self._server = make_server(host, port, self._answer, _Server, _QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that is bound."""
        return self._server.server_port

    def __enter__(self) -> "HealthServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/healthz":
            status, body = self._health()
        elif path == "/readyz":
            needs = self._ready()
            status = "200 OK" if needs and all(needs.values()) else "503 Service Unavailable"
            body = {"status": "ready" if status.startswith("200") else "not ready", "needs": needs}
        else:
            status = "404 Not Found"
            body = {"error": {"code": "not_found", "message": f"no page {path}", "detail": None}}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]

    def _health(self) -> tuple[str, dict[str, Any]]:
        still_s = self._heartbeat.still_s()
        if still_s is None:
            return "200 OK", {"status": "alive"}
        since = datetime.now(timezone.utc) - timedelta(seconds=still_s)
        return "503 Service Unavailable", {
            "status": "stands still",
            "since": to_rfc3339(since),
            "for_s": round(still_s),
        }


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: probes come every second."""
