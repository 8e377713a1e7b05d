"""Log lines of every role: one JSON object a line for machines, or plain text for people."""

import json
import logging
import sys
from collections.abc import Iterator
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
