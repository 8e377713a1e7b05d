"""Finds a worker that has gone deaf: tasks wait, nothing runs here, and yet none is taken.

Celery workers are known to stop consuming after some losses of their broker. A worker that ends is started anew; one
that only looks alive is not. So this one ends itself.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable

from contracts.errors import UnavailableError

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 2.0
_DEAF_AFTER_S = 20.0
_LAST_WORDS_S = 10.0


class Deafness:
    """Tells whether a worker is deaf. Pure: the clock is passed in (seconds that only rise)."""

    def __init__(self) -> None:
        self._taken = -1
        self._hears_since: float | None = None

    def observe(self, *, waiting: int, running: int, taken: int, now: float) -> bool:
        """Learn the state of things; True when tasks have waited for 20 s while nothing ran and none was taken.

        Args:
            waiting: tasks in the worker's queues.
            running: tasks that it runs.
            taken: tasks that it has taken since its start.
            now: the time.
        """
        if waiting == 0 or running > 0 or taken != self._taken or self._hears_since is None:
            self._taken, self._hears_since = taken, now
        return now - self._hears_since >= _DEAF_AFTER_S


class Watchdog:
    """Watches this process in a thread, and ends it when it is deaf.

    Args:
        waiting: tells how many tasks wait; may raise `UnavailableError`.
        running: tells how many tasks run here.
        clock: the time, in seconds that only rise.
    """

    def __init__(self, waiting: Callable[[], int], running: Callable[[], int], clock: Callable[[], float]) -> None:
        self._waiting = waiting
        self._running = running
        self._clock = clock
        self._taken = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def took_a_task(self) -> None:
        """Learn that a task was taken."""
        self._taken += 1

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        deafness = Deafness()
        while not self._stop.wait(_LOOK_EVERY_S):
            try:
                waiting = self._waiting()
            except UnavailableError:
                waiting = 0  # nobody can take tasks now
            running = self._running()
            if deafness.observe(waiting=waiting, running=running, taken=self._taken, now=self._clock()):
                log.critical("%d tasks wait and none is taken here: ending, to be started anew", waiting)
                os.kill(os.getpid(), signal.SIGQUIT)
                self._stop.wait(_LAST_WORDS_S)
                os._exit(1)
