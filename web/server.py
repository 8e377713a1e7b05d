"""gunicorn, in this process, around the application: one worker process with threads."""

import logging
from concurrent.futures import Future
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from settings import Settings
from web.app import create_app
from web.services import Services
from web.services.viewers import HandedOver

log = logging.getLogger(__name__)

_STOP_WITHIN_S = 4
_KEEP_ALIVE_S = 5
_HUNG_AFTER_S = 60


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
            "control_socket_disable": True,
            "logger_class": _RootLogger,
            "when_ready": _say_where,
            "worker_exit": _close_services,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application, in the worker process."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._services = Services.build(self._settings, registry)
        self._services.start()
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
