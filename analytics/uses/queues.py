"""Queues: how long, how fast, and how long one waits: measured, and by Little's law."""

import math
import statistics
from dataclasses import dataclass

from analytics.presence import ZoneVisit
from analytics.state import Stateful


@dataclass(frozen=True)
class QueueReport:
    """A queue over the window before a time. Rates are people a second; waits are in seconds, None while unknown.

    `wait_s` is the mean of the measured waits with its 95 % interval; `little_s` is mean length by arrival rate.
    """

    length: int
    arrivals: int
    served: int
    arrival_rate: float
    service_rate: float
    wait_s: float | None
    wait_low_s: float | None
    wait_high_s: float | None
    little_s: float | None


class Queue(Stateful):
    """One queue's zone. Who was in it for less than `minimum_stay_s` passed by and did not wait."""

    STATE = ("_waits", "_arrivals", "_lengths", "_first_s")

    def __init__(self, minimum_stay_s: float, window_s: float = 900.0) -> None:
        self._minimum_stay_s = minimum_stay_s
        self._window_s = window_s
        self._waits: list[list[float]] = []  # when it was over, and how long it was
        self._arrivals: list[float] = []
        self._lengths: list[list[float]] = []  # time, length
        self._first_s: float | None = None

    def update(self, at_s: float, length: int) -> None:
        """Take the number of people in the zone at a frame."""
        if self._first_s is None:
            self._first_s = at_s
        if not self._lengths or at_s - self._lengths[-1][0] >= 1.0:
            self._lengths.append([at_s, length])
        horizon = at_s - self._window_s
        while self._lengths and self._lengths[0][0] < horizon:
            self._lengths.pop(0)
        while self._waits and self._waits[0][0] < horizon:
            self._waits.pop(0)
        while self._arrivals and self._arrivals[0] < horizon:
            self._arrivals.pop(0)

    def left(self, visit: ZoneVisit) -> float | None:
        """Take a visit that is over; return the wait that it was, in seconds, None for somebody who passed by."""
        assert visit.left_s is not None
        wait_s = visit.left_s - visit.entered_s
        if wait_s < self._minimum_stay_s:
            return None
        self._waits.append([visit.left_s, wait_s])
        self._arrivals.append(visit.entered_s)
        self._arrivals.sort()
        return wait_s

    def report(self, at_s: float, length: int) -> QueueReport:
        """Return what the window before a time holds; `length` is the number of people in the zone now."""
        span_s = max(min(self._window_s, at_s - (at_s if self._first_s is None else self._first_s)), 1.0)
        waits = [wait for _, wait in self._waits]
        mean = statistics.fmean(waits) if waits else None
        half = 1.96 * statistics.stdev(waits) / math.sqrt(len(waits)) if len(waits) > 1 else None
        arrival_rate = len(self._arrivals) / span_s
        mean_length = statistics.fmean(one[1] for one in self._lengths) if self._lengths else 0.0
        return QueueReport(
            length=length,
            arrivals=len(self._arrivals),
            served=len(waits),
            arrival_rate=arrival_rate,
            service_rate=len(waits) / span_s,
            wait_s=mean,
            wait_low_s=None if mean is None or half is None else max(mean - half, 0.0),
            wait_high_s=None if mean is None or half is None else mean + half,
            little_s=mean_length / arrival_rate if arrival_rate else None,
        )
