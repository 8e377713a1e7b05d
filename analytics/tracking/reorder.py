"""Frames of one camera arrive out of order, late or twice; tracking wants them in order."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Ordered(msgspec.Struct, Generic[T], frozen=True):
    """A frame with what orders it: its number, and its time in seconds since 1970."""

    frame_id: int
    at_s: float
    frame: T


class ReorderWindow(Generic[T]):
    """Holds frames back until the ones before them are there, or cannot be waited for any longer.

    A frame leaves at once when its number follows the last one's. Otherwise it waits until more than `most_frames`
    wait, or one that is `most_s` seconds younger has come. What arrives after its turn, or twice, is left out and
    counted in `late`. A number far below the last one's with a later time means that the camera began to count anew.
    """

    def __init__(self, most_frames: int = 32, most_s: float = 2.0) -> None:
        self._most_frames = most_frames
        self._most_s = most_s
        self._waiting: dict[int, Ordered[T]] = {}
        self._last_id: int | None = None
        self._last_s = 0.0
        self.late = 0

    def push(self, frame_id: int, at_s: float, frame: T) -> list[Ordered[T]]:
        """Add a frame; return those whose turn has come, in order."""
        ready: list[Ordered[T]] = []
        if not self._waiting and self._last_id is not None and frame_id == self._last_id + 1:
            self._last_id, self._last_s = frame_id, at_s
            return [Ordered(frame_id, at_s, frame)]
        if self._last_id is not None and frame_id <= self._last_id:
            if at_s <= self._last_s or self._last_id - frame_id <= self._most_frames:
                self.late += 1
                return ready
            ready = self.flush()
            self._last_id = None
        if frame_id in self._waiting:
            self.late += 1
            return ready
        self._waiting[frame_id] = Ordered(frame_id, at_s, frame)
        newest_s = max(waiting.at_s for waiting in self._waiting.values())
        while self._waiting:
            first = min(self._waiting)
            follows = self._last_id is not None and first == self._last_id + 1
            overdue = newest_s - self._waiting[first].at_s >= self._most_s
            if not (follows or overdue or len(self._waiting) > self._most_frames):
                break
            ready.append(self._release(first))
        return ready

    def flush(self) -> list[Ordered[T]]:
        """Return all that waits, in order: nothing more will come, or not for long."""
        return [self._release(frame_id) for frame_id in sorted(self._waiting)]

    def waiting(self) -> list[Ordered[T]]:
        """Return what waits, in order, without releasing it: a checkpoint holds it, or begins before it."""
        return [self._waiting[frame_id] for frame_id in sorted(self._waiting)]

    @property
    def last(self) -> tuple[int, float] | None:
        """Number and time of the frame released last."""
        return None if self._last_id is None else (self._last_id, self._last_s)

    def resume(self, last: Sequence[float] | None, waiting: list[Ordered[T]]) -> None:
        """Go on where another window stood: its `last` and its `waiting()`."""
        if last is not None:
            self._last_id, self._last_s = int(last[0]), last[1]
        self._waiting = {ordered.frame_id: ordered for ordered in waiting}

    def _release(self, frame_id: int) -> Ordered[T]:
        ordered = self._waiting.pop(frame_id)
        self._last_id, self._last_s = frame_id, ordered.at_s
        return ordered
