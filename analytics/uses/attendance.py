"""Attendance: how many different people were there. No identity is stored: only where and when tracks broke off."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from analytics.state import Stateful
from analytics.tracking import TrackEnd, TrackPoint

_GAP_S = 6.0
_WIDTHS_A_SECOND = 4.0
_EDGE_WIDTHS = 2.5
_SIZE_RATIO = 1.4


@dataclass(frozen=True)
class Counted:
    """Tracks that began, those of them joined to one that broke off, and those broken off without being found again.

    Counts of stretches of time add up to that of the whole.
    """

    tracks: int = 0
    joined: int = 0
    unexplained: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.tracks + other.tracks, self.joined + other.joined, self.unexplained + other.unexplained)

    def __sub__(self, other: "Counted") -> "Counted":
        return Counted(self.tracks - other.tracks, self.joined - other.joined, self.unexplained - other.unexplained)

    @property
    def unique(self) -> int:
        """How many different people that are."""
        return self.tracks - self.joined

    def interval(self) -> tuple[int, int]:
        """Return the least and the most that it may have been, 95 %.

        Every track that broke off within the picture without being found again may have been counted twice; every joint
        may have been two people.
        """
        unexplained = max(self.unexplained, 0)
        spread = 1.96 * math.sqrt(max(self.joined, 0) + unexplained + 0.01 * self.tracks)
        low = self.unique - unexplained / 2 - spread / 2
        return max(int(low), 0), math.ceil(self.unique + spread / 2)


_NOBODY = Counted()


class Attendance(Stateful):
    """Unique tracks of one camera, de-duplicated across gaps.

    A track that begins within the picture, near where and soon after another broke off within the picture, is the same
    person. The nearest in time and place is taken, and once.
    """

    STATE = ("_newest", "_lost", "_tracks", "_joined", "_unexplained")

    def __init__(self, image_size: tuple[int, int]) -> None:
        self._width, self._height = image_size
        self._newest = 0  # ids rise, so that a track with a higher one is new
        self._lost: list[list[float]] = []  # time, x, y, width, velocity of tracks that broke off
        self._tracks = 0
        self._joined = 0
        self._unexplained = 0

    def update(self, points: Iterable[TrackPoint], ended: Iterable[TrackEnd], interval_s: float) -> Counted:
        """Take what a tracker reported of one frame; return what it added."""
        tracks, joined, unexplained = self._tracks, self._joined, self._unexplained
        for point in points:
            if point.track_id > self._newest:
                self._newest = point.track_id
                self._begin(point, interval_s)
        for end in ended:
            speed = math.hypot(end.velocity_x, end.velocity_y) / end.width
            if not self._near_edge(end.x, end.y, end.width, speed, interval_s):
                self._lost.append([end.last_s, end.x, end.y, end.width, end.velocity_x, end.velocity_y])
                self._unexplained += 1
        if (tracks, joined, unexplained) == (self._tracks, self._joined, self._unexplained):
            return _NOBODY
        return Counted(self._tracks - tracks, self._joined - joined, self._unexplained - unexplained)

    def _begin(self, point: TrackPoint, interval_s: float) -> None:
        self._tracks += 1
        if self._near_edge(point.x, point.y, point.width, _WIDTHS_A_SECOND, interval_s):
            return
        self._lost = [one for one in self._lost if point.at_s - one[0] <= _GAP_S]
        best, best_cost = None, 1.0
        for one in self._lost:
            gap_s = point.at_s - one[0]
            ratio = max(point.width / one[3], one[3] / point.width)
            if gap_s <= 0 or ratio > _SIZE_RATIO:
                continue
            ahead = min(gap_s, 1.0)
            away = math.hypot(point.x - one[1] - one[4] * ahead, point.y - one[2] - one[5] * ahead) / point.width
            cost = away / (1.0 + _WIDTHS_A_SECOND * gap_s)
            if cost < best_cost:
                best, best_cost = one, cost
        if best is not None:
            self._lost.remove(best)
            self._joined += 1
            self._unexplained -= 1

    def _near_edge(self, x: float, y: float, width: float, speed: float, interval_s: float) -> bool:
        reach = width * max(_EDGE_WIDTHS, 1.5 * speed * interval_s)
        return min(x, self._width - x, y, self._height - y) < reach

    @property
    def counted(self) -> Counted:
        """The counts on which the number of people rests, since counting began."""
        return Counted(self._tracks, self._joined, self._unexplained)

    @property
    def unique(self) -> int:
        """How many different people were there."""
        return self.counted.unique

    def interval(self) -> tuple[int, int]:
        """Return the least and the most that it may have been, 95 %."""
        return self.counted.interval()
