"""The time of day, for what waits and compares: it runs on evenly when the host's clock is set."""

import time
from collections.abc import Callable

_CATCHES_UP = 0.1


class SteadyClock:
    """Seconds since 1970 by the host's clock at the start, and by its monotonic clock from then on.

    When the host's clock was set, this one goes a tenth faster or slower until it has caught up, and never back: no
    silence or pause that is measured with it is longer or shorter by more than that.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._at_s, self._read_s = wall(), monotonic()

    def __call__(self) -> float:
        """Return the time."""
        read_s = self._monotonic()
        elapsed_s, self._read_s = read_s - self._read_s, read_s
        behind_s = self._wall() - (self._at_s + elapsed_s)
        most_s = _CATCHES_UP * elapsed_s
        self._at_s += elapsed_s + min(max(behind_s, -most_s), most_s)
        return self._at_s
