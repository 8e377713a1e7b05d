"""Evacuation: how fast the exits take people, who remains, and where density rises while flow falls."""

from collections.abc import Iterable
from dataclasses import dataclass

from analytics.state import Stateful

_FLOW_S = 15.0
_LASTING_S = 5.0
_LEAST_CROWD = 5
_LEAST_PER_PERSON = 0.02  # people a second that an open exit takes of each who is before it, at the very least


@dataclass(frozen=True)
class ExitReport:
    """An exit at a time: people a minute over the last 15 s, people before it, and the seconds until they are out."""

    per_minute: float
    waiting: int
    clears_in_s: float | None


@dataclass(frozen=True)
class ExitEvent:
    """`bottleneck`: people gather before an exit that takes hardly any. `cleared`: that is over."""

    kind: str
    at_s: float
    per_minute: float
    waiting: int
    clears_in_s: float | None


def clears_in_s(remaining: int, per_minute: Iterable[float]) -> float | None:
    """Return how long those who remain will need at the present flow of all exits together, in seconds.

    That is no time for nobody, and None, never, for somebody as long as nobody gets out.
    """
    flow = sum(per_minute)
    if remaining <= 0:
        return 0.0
    return 60 * remaining / flow if flow > 0 else None


class Evacuation(Stateful):
    """One exit: the zone before it, and those who leave over it.

    A bottleneck is found when at least five people are in the zone, more than there were 15 s ago, and for five seconds
    fewer leave than 2 % of them a second. It is cleared when the zone is empty or people leave again.
    """

    STATE = ("_passed", "_counts", "_since_s", "_blocked", "_holds", "_holds_until_s")

    def __init__(self, least_crowd: int = _LEAST_CROWD, lasting_s: float = _LASTING_S) -> None:
        self._least_crowd, self._lasting_s = least_crowd, lasting_s
        self._passed: list[float] = []
        self._counts: list[list[float]] = []
        self._since_s: float | None = None
        self._blocked = False
        self._holds = False
        self._holds_until_s: float | None = None

    def passed(self, at_s: float) -> None:
        """Count somebody who left over the exit."""
        self._passed.append(at_s)

    def update(self, at_s: float, waiting: int) -> ExitEvent | None:
        """Take the number of people before the exit at a frame."""
        if self._passed:
            self._passed = [passed_s for passed_s in self._passed if passed_s > at_s - _FLOW_S]
        if not self._counts or at_s - self._counts[-1][0] >= 1.0:
            self._counts.append([at_s, waiting])
        while self._counts and self._counts[0][0] < at_s - _FLOW_S:
            self._counts.pop(0)
        report = self.report(waiting)
        slow = report.per_minute / 60 < _LEAST_PER_PERSON * waiting
        if self._holds:
            self._holds, self._holds_until_s = False, at_s + _LASTING_S
        if self._blocked and self._holds_until_s is not None and at_s < self._holds_until_s:
            return None
        if self._blocked:
            if waiting == 0 or (report.per_minute > 0 and not slow):
                self._blocked, self._since_s = False, None
                return ExitEvent("cleared", at_s, report.per_minute, waiting, report.clears_in_s)
            return None
        rising = (bool(self._counts) and waiting > self._counts[0][1]) or self._since_s is not None
        if waiting < self._least_crowd or not slow or not rising:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = at_s
        if at_s - self._since_s < self._lasting_s:
            return None
        self._blocked = True
        return ExitEvent("bottleneck", at_s, report.per_minute, waiting, report.clears_in_s)

    def restart(self) -> None:
        """Forget who passed and waited, and keep whether there is a bottleneck."""
        self._passed, self._counts, self._since_s, self._holds = [], [], None, True

    def report(self, waiting: int) -> ExitReport:
        """Return the flow of the last 15 s and the people before the exit."""
        per_minute = 60 * len(self._passed) / _FLOW_S
        return ExitReport(per_minute, waiting, clears_in_s(waiting, [per_minute]))
