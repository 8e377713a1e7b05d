"""Capacity: the people within a venue, by what its lines count, over all of its cameras."""

from dataclasses import dataclass

from analytics.state import Stateful
from analytics.uses.levels import level_of


@dataclass(frozen=True)
class CapacityLevel:
    """The level of a venue changed."""

    at_s: float
    inside: int
    level: str
    before: str


class Capacity(Stateful):
    """The count of one venue. Crossings may come from several cameras, and more than once: an id counts once.

    Counting errors add up, so the count can be reset to a known number, such as nobody at night. It never falls below
    nobody: who leaves then was there before counting began.
    """

    STATE = ("_inside", "_entered", "_left", "_level", "_seen")
    _MOST_SEEN = 4096

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._inside = 0
        self._entered = 0
        self._left = 0
        self._level = "normal"
        self._seen: list[str] = []

    @property
    def inside(self) -> int:
        """How many are in the venue."""
        return self._inside

    @property
    def passed(self) -> tuple[int, int]:
        """How many went in and out since counting began."""
        return self._entered, self._left

    def update(self, event_id: str, direction: str, at_s: float) -> CapacityLevel | None:
        """Take a crossing; return the change of level that it made."""
        if event_id in self._seen:
            return None
        self._seen = [*self._seen[1 - self._MOST_SEEN :], event_id]
        if direction == "in":
            self._entered += 1
            self._inside += 1
        else:
            self._left += 1
            self._inside = max(self._inside - 1, 0)
        return self._judge(at_s)

    def reset(self, inside: int, at_s: float) -> CapacityLevel | None:
        """Set the count to what is known, at night or after a head count."""
        self._inside = inside
        return self._judge(at_s)

    def _judge(self, at_s: float) -> CapacityLevel | None:
        if self._limit is None:
            return None
        level = level_of(self._inside, self._limit, self._level)
        if level == self._level:
            return None
        before, self._level = self._level, level
        return CapacityLevel(at_s, self._inside, level, before)
