"""Engagement: who looks at a display, and how long.

The detector finds faces that are turned to the camera, so a camera at the display sees those who look at it, more or
less: a frontal face in the display's zone is taken for a look. It is a proxy, and no gaze.
"""

from dataclasses import dataclass

from analytics.presence import ZoneVisit
from analytics.state import Stateful


@dataclass(frozen=True)
class Engaged:
    """Somebody looked at the display, and no longer does."""

    track_id: int
    at_s: float
    seconds: float


class Engagement(Stateful):
    """One display: looks of at least `minimum_s` seconds count."""

    STATE = ("_viewers", "_seconds")

    def __init__(self, minimum_s: float) -> None:
        self._minimum_s = minimum_s
        self._viewers = 0
        self._seconds = 0.0

    def update(self, left: ZoneVisit) -> Engaged | None:
        """Take a visit that is over; return the look that it was, if long enough."""
        assert left.left_s is not None
        seconds = left.left_s - left.entered_s
        if seconds < self._minimum_s:
            return None
        self._viewers += 1
        self._seconds += seconds
        return Engaged(left.track_id, left.left_s, seconds)

    @property
    def viewers(self) -> int:
        """How many looked."""
        return self._viewers

    @property
    def mean_s(self) -> float | None:
        """How long they looked, on average; None before the first."""
        return self._seconds / self._viewers if self._viewers else None
