"""Log lines of every role: one JSON object a line for machines, or plain text for people."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone

from settings.model import Settings

_KNOWN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_QUIET = ("kafka", "celery.redirected", "kombu", "pymongo")
_FIELDS: ContextVar[dict[str, str]] = ContextVar("log_fields", default={})  # noqa: B039  never changed, only replaced


@contextmanager
def log_fields(**fields: str) -> Iterator[None]:
    """Add fields to each line that is logged within, by whatever is called, in this thread."""
    token = _FIELDS.set(_FIELDS.get() | fields)
    try:
        yield
    finally:
        _FIELDS.reset(token)


def configure_logging(settings: Settings, role: str) -> None:
    """Send the log of this process to standard error, with the role's name in each line."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(_JsonFormatter(role))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s {role} %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class RareLog:
    """Logs a warning of one kind at most every `every_s` seconds, with the number of those left out.

    Kinds are few and fixed. Threads may share it.
    """

    def __init__(
        self, logger: logging.Logger, every_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._next_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, message: str, *arguments: object, **extra: object) -> None:
        """Log it, or count it if one of its kind was logged a moment ago."""
        with self._lock:
            now_s = self._clock()
            if now_s < self._next_s.get(kind, now_s):
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._next_s[kind] = now_s + self._every_s
            left_out = self._left_out.pop(kind, 0)
        if left_out:
            message, arguments = f"{message} (and %d more before it)", (*arguments, left_out)
        self._logger.warning(message, *arguments, extra={name: str(value) for name, value in extra.items()})


class _JsonFormatter(logging.Formatter):
    """Time, severity, role, logger, message, the fields of `log_fields`, and whatever was given as `extra`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "role": self._role,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        line |= _FIELDS.get() | {name: value for name, value in record.__dict__.items() if name not in _KNOWN}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
