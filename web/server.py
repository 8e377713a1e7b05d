"""gunicorn, in this process, around the application: one worker process with threads."""

import json
import logging
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from settings import Settings
from web import errors
from web.app import create_app
from web.services import Services
from web.services.viewers import HandedOver

log = logging.getLogger(__name__)

_STOP_WITHIN_S = 4
_KEEP_ALIVE_S = 5
_PREPARED_WITHIN_S = 5
_HUNG_AFTER_S = 60
_LONGEST_ADDRESS = 8190
_SHOWN = 200
_UNREADABLE = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class WebServer(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """Serves the web role until SIGTERM or SIGINT. Everything that connects is made after the fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: Services | None = None
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options; nothing is read from the environment or a file."""
        host = self._settings.web_host
        options = {
            "bind": f"[{host}]:{self._settings.web_port}" if ":" in host else f"{host}:{self._settings.web_port}",
            "workers": 1,
            "worker_class": _Worker,
            "threads": self._settings.web_threads,
            "timeout": _HUNG_AFTER_S,
            "graceful_timeout": _STOP_WITHIN_S,
            "keepalive": _KEEP_ALIVE_S,
            "limit_request_line": _LONGEST_ADDRESS,
            "control_socket_disable": True,
            "logger_class": _RootLogger,
            "when_ready": _say_where,
            "worker_exit": _close_services,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application, in the worker process.

        It answers once it is prepared, so that a restart by SIGHUP refuses nobody: meanwhile connections wait at the
        socket. Without its servers it answers all the same soon, and says what it waits for.
        """
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._services = Services.build(self._settings, registry)
        self._services.start()
        self._services.wait_prepared(_PREPARED_WITHIN_S)
        return create_app(self._settings, self._services)

    def let_go(self) -> None:
        """Tell requests that wait to answer with what they have. Called in a signal handler."""
        if self._services is not None:
            self._services.stopping.set()

    def close(self) -> None:
        """Disconnect, in the worker process."""
        if self._services is not None:
            self._services.close()
            self._services = None


class _Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker; on a signal, long polls are ended first.

    A request may hand its socket over (see ADR 0010): the thread is free then, and the connection no longer counts.
    """

    def handle(self, conn: Any) -> Any:
        try:
            return super().handle(conn)
        except HandedOver:
            return HandedOver

    def finish_request(self, conn: Any, done: "Future[Any]") -> None:
        if not done.cancelled() and done.exception() is None and done.result() is HandedOver:
            self.nr_conns -= 1
        else:
            super().finish_request(conn, done)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no HTTP request, which never comes to the application, in the one shape of errors."""
        ours = (InvalidResponseHeader, InvalidResponseHeaderName)
        if isinstance(exc, ours) or not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("no request, from %s: %s", addr[0] if addr else "a socket", exc)
        status = _UNREADABLE.get(type(exc), HTTPStatus.BAD_REQUEST)
        body = json.dumps(errors.error_body(status, str(exc)[:_SHOWN])).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with suppress(OSError):  # it is gone
            util.write_nonblock(client, head.encode() + body)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.app.let_go()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        self.app.let_go()
        super().handle_quit(sig, frame)


class _RootLogger(Logger):  # type: ignore[misc]
    """Leaves gunicorn's lines to the log of the process."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.setLevel(logging.NOTSET)
        logging.getLogger("gunicorn").setLevel(logging.WARNING)


def _say_where(arbiter: Any) -> None:
    for listener in arbiter.LISTENERS:
        host, port = listener.sock.getsockname()[:2]
        log.info("web: serving at http://%s", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _close_services(_arbiter: Any, worker: Any) -> None:
    worker.app.close()
