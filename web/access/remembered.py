"""Looks things up, and remembers them for a moment, so that every request does not ask MongoDB anew."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from contracts.errors import UnavailableError

T = TypeVar("T")

_AT_MOST = 10_000


class Remembered(Generic[T]):
    """What `look_up` found: fresh for `fresh_s`, and good for `stale_s` while MongoDB does not answer."""

    def __init__(
        self, look_up: Callable[[str], T | None], fresh_s: float, stale_s: float, clock: Callable[[], float]
    ) -> None:
        self._look_up = look_up
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, T]] = {}

    def get(self, name: str) -> T | None:
        """Return what has this name, None when nothing has. What is not there is looked up each time.

        Raises:
            UnavailableError: MongoDB does not answer, and it was not seen lately.
        """
        now_s = self._clock()
        at_s, known = self._found.get(name, (float("-inf"), None))
        if known is not None and now_s - at_s < self._fresh_s:
            return known
        try:
            found = self._look_up(name)
        except UnavailableError:
            if known is not None and now_s - at_s < self._stale_s:
                return known
            raise
        with self._lock:
            self._found.pop(name, None)
            if found is not None:
                self._found[name] = (now_s, found)
                while len(self._found) > _AT_MOST:
                    del self._found[next(iter(self._found))]  # the one that was looked up longest ago
        return found

    def forget(self) -> None:
        """Look everything up anew."""
        with self._lock:
            self._found.clear()


def remember(look_up: Callable[[str], T | None]) -> Remembered[T]:
    """Remember for 3 s, which is how long another process may honour what was revoked; for 5 min in an outage."""
    return Remembered(look_up, fresh_s=3, stale_s=300, clock=time.monotonic)
