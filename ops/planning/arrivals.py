"""When frames come: a steady rate that may rise for a while, and which frame came when. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Surge:
    """From `start` to `stop` (seconds) frames come `times` as fast."""

    start: float
    stop: float
    times: float


class Arrivals:
    """How many frames have come by a time, at a rate of one frame a second. Surges follow each other."""

    def __init__(self, surges: Sequence[Surge] = ()) -> None:
        self._at, self._count, self._slope = [0.0], [0.0], [1.0]
        for surge in surges:
            self._turn(surge.start, surge.times)
            self._turn(surge.stop, 1.0)

    def count(self, at: float) -> float:
        """Return how many have come by `at` seconds."""
        piece = bisect_right(self._at, at) - 1
        return self._count[piece] + (at - self._at[piece]) * self._slope[piece]

    def when(self, count: float) -> float:
        """Return when so many had come, in seconds."""
        piece = max(0, bisect_right(self._count, count) - 1)
        return self._at[piece] + (count - self._count[piece]) / self._slope[piece]

    def _turn(self, at: float, slope: float) -> None:
        if at < self._at[-1] or slope <= 0:
            raise ValueError(f"expected surges in order, with a rate above 0, got {at} s after {self._at[-1]} s")
        self._count.append(self.count(at))
        self._at.append(at)
        self._slope.append(slope)
