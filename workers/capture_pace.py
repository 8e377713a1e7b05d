"""The pace of a capture: which frames are kept, the place of the newest one, and when a run is over."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from workers.capture_reading import Grab


class Thinning:
    """Lets so many frames a second pass, by their time, evenly."""

    def __init__(self, fps: float | None) -> None:
        self._interval_s = 0.0 if fps is None else 1 / fps
        self._next_s: float | None = None

    def wants(self, at_s: float) -> bool:
        """Whether the frame of this time is one to keep; times must not fall."""
        if self._next_s is None or at_s - self._next_s > self._interval_s:
            self._next_s = at_s
        if at_s < self._next_s - 1e-6:
            return False
        self._next_s += self._interval_s
        return True


class Newest:
    """A place for one frame: a newer one replaces it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: tuple[Grab, datetime] | None = None

    def offer(self, grab: Grab, arrived_at: datetime) -> bool:
        """Put a frame here; returns whether that pushed out one that nobody took."""
        with self._changed:
            replaced = self._held is not None
            self._held = (grab, arrived_at)
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float) -> tuple[Grab, datetime] | None:
        """Take the frame, waiting for one for `timeout_s`; None when none came."""
        with self._changed:
            self._changed.wait_for(lambda: self._held is not None, timeout_s)
            held, self._held = self._held, None
            return held


@dataclass(frozen=True)
class Limit:
    """When a run is over."""

    stop: threading.Event
    deadline: float | None
    enough: Callable[[], bool]

    def reached(self) -> bool:
        """Whether it is over now."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return self.stop.is_set() or late or self.enough()

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        if self.deadline is not None:
            seconds = min(seconds, self.deadline - time.monotonic())
        if seconds > 0:
            self.stop.wait(seconds)
