"""Density: how many are in a zone, also for each square metre, and at which level of its limit."""

import statistics
from dataclasses import dataclass

from analytics.state import Stateful
from analytics.uses.levels import level_of

_WINDOW_S = 3.0


@dataclass(frozen=True)
class DensityLevel:
    """The level of a zone changed."""

    at_s: float
    count: int
    per_m2: float | None
    level: str
    before: str


class Density(Stateful):
    """The density of one zone. Levels follow the median count of the last three seconds."""

    STATE = ("_counts", "_level", "_holds", "_holds_until_s")

    def __init__(self, limit: int | None, area_m2: float | None) -> None:
        self._limit = limit
        self._area_m2 = area_m2
        self._counts: list[list[float]] = []
        self._level = "normal"
        self._holds = False
        self._holds_until_s: float | None = None

    def update(self, at_s: float, count: int) -> DensityLevel | None:
        """Take the count of a frame; return the change of level that it made."""
        if self._limit is None:
            return None
        while self._counts and self._counts[-1][0] <= at_s - _WINDOW_S:
            self._counts.pop()
        self._counts.insert(0, [at_s, count])
        if self._holds:
            self._holds, self._holds_until_s = False, at_s + _WINDOW_S
        if self._holds_until_s is not None and at_s < self._holds_until_s:
            return None
        steady = int(statistics.median_low([one[1] for one in self._counts]))
        level = level_of(steady, self._limit, self._level)
        if level == self._level:
            return None
        before, self._level = self._level, level
        return DensityLevel(at_s, steady, self.per_m2(steady), level, before)

    def restart(self) -> None:
        """Forget the counts, and keep the level until there are new ones."""
        self._counts, self._holds = [], True

    def per_m2(self, count: float) -> float | None:
        """Return people for each square metre, None where the area is not known."""
        return None if self._area_m2 is None else count / self._area_m2
