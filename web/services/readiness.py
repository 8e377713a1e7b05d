"""Whether each thing that the web role needs is there."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from contracts.errors import UnavailableError

_KEPT_S = 1.0


class Readiness:
    """Asks all needs at the same time, and keeps the answer for a second, so that probes cost little."""

    def __init__(self, checks: Mapping[str, Callable[[], None]]) -> None:
        self._checks = checks
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(max_workers=len(checks), thread_name_prefix="web-readiness")
        self._problems: dict[str, str | None] = {}
        self._asked_s = -_KEPT_S

    def problems(self) -> dict[str, str | None]:
        """Return for each need None when it is there, else why it is not."""
        with self._lock:
            if time.monotonic() - self._asked_s >= _KEPT_S:
                self._problems = dict(zip(self._checks, self._executor.map(_ask, self._checks.values()), strict=True))
                self._asked_s = time.monotonic()
            return self._problems

    def close(self) -> None:
        """End the threads that ask."""
        self._executor.shutdown(wait=True)


def _ask(check: Callable[[], None]) -> str | None:
    try:
        check()
    except UnavailableError as error:
        return str(error)
    return None
