"""Finds a worker that has gone deaf: tasks wait, nothing runs here, and yet none is taken.

Celery workers are known to stop consuming after some losses of their broker. A worker that ends is started anew; one
that only looks alive is not. So this one ends itself.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from contracts.errors import UnavailableError

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 2.0
_DEAF_AFTER_S = 20.0
_LAST_WORDS_S = 10.0
_SETTLED_S = 0.01


class Deafness:
    """Tells whether a worker is deaf. Pure: the clock is passed in (seconds that only rise)."""

    def __init__(self) -> None:
        self._taken = -1
        self._hears_since: float | None = None

    def observe(self, *, waiting: int, running: int, warm: int, taken: int, now: float) -> bool:
        """Learn the state of things; True when tasks have waited for 20 s while nothing ran and none was taken.

        Args:
            waiting: tasks in the worker's queues.
            running: tasks that it runs.
            warm: processes that could run one; the others load their model, which may take minutes.
            taken: tasks that it has taken since its start.
            now: the time.
        """
        if waiting == 0 or running > 0 or warm == 0 or taken != self._taken or self._hears_since is None:
            self._taken, self._hears_since = taken, now
        return now - self._hears_since >= _DEAF_AFTER_S


class WarmProcesses:
    """Counts the processes of a pool that have loaded their model and live. Made before they are forked.

    A process that is killed, and one that takes its place, say nothing: so each is noted by its id. There is no lock,
    which a killed process would keep for ever.
    """

    def __init__(self, most: int) -> None:
        self._ids: Any = multiprocessing.RawArray("l", most)

    def add(self) -> None:
        """Learn, in the process itself, that it is warm."""
        own = os.getpid()
        while own not in self._ids:
            free = [slot for slot, process in enumerate(self._ids) if not _lives(process)]
            if not free:
                return
            self._ids[free[0]] = own
            time.sleep(_SETTLED_S)  # another may have taken the same place at the same time

    def count(self) -> int:
        """Return how many are warm and live."""
        return sum(_lives(process) for process in self._ids)


def _lives(process: int) -> bool:
    if not process:
        return False
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Watchdog:
    """Watches this process in a thread, and ends it when it is deaf.

    Args:
        waiting: tells how many tasks wait; may raise `UnavailableError`.
        running: tells how many tasks run here.
        warm: tells how many processes of the pool could run one.
        clock: the time, in seconds that only rise.
    """

    def __init__(
        self,
        waiting: Callable[[], int],
        running: Callable[[], int],
        warm: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._waiting = waiting
        self._running = running
        self._warm = warm
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
            running, warm = self._running(), self._warm()
            if deafness.observe(waiting=waiting, running=running, warm=warm, taken=self._taken, now=self._clock()):
                log.critical("%d tasks wait and none is taken here: ending, to be started anew", waiting)
                os.kill(os.getpid(), signal.SIGQUIT)
                self._stop.wait(_LAST_WORDS_S)
                os._exit(1)
