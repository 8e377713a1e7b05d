"""Frames of one camera arrive out of order, late or twice; tracking needs them in order."""

import bisect
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

_REMEMBERED_S = 10.0
_REMEMBERED = 512
_SHARED_S = 10.0


class Ordered(msgspec.Struct, Generic[T], frozen=True):
    """A frame with what orders it: its number, and its time in seconds since 1970."""

    frame_id: int
    at_s: float
    frame: T


class ReorderWindow(Generic[T]):
    """Holds frames back until the ones before them are there, or cannot be waited for any longer.

    A frame leaves at once when its number follows the last one's. Otherwise it waits until more than `most_frames`
    wait, or one that is `most_s` seconds younger has come.

    A frame belongs between the frames around it when both its number and its time do. One that comes after its turn is
    left out and counted in `late`, one that comes twice in `repeated`. Where number and time disagree, a session
    begins: the camera counts anew, or its clock was set back. What waited leaves first, and nothing of the new session
    is late. When two sessions begin within ten seconds, several producers share the camera's id: frames then leave as
    they come.
    """

    def __init__(self, most_frames: int = 32, most_s: float = 2.0) -> None:
        self._most_frames = most_frames
        self._most_s = most_s
        self._waiting: dict[int, Ordered[T]] = {}
        self._last: tuple[int, float] | None = None
        self._recent: list[tuple[int, float]] = []  # numbers and times that left lately in this session, by number
        self._begun_s: float | None = None  # when a session began that was not the first
        self._shared_s: float | None = None  # when it was last seen that producers share the id
        self.late = 0
        self.repeated = 0

    def push(self, frame_id: int, at_s: float, frame: T) -> list[Ordered[T]]:
        """Add a frame; return those whose turn has come, in order."""
        one = Ordered(frame_id, at_s, frame)
        if not self._waiting and self._last is not None and frame_id == self._last[0] + 1:
            self._leave(one)
            return [one]
        if self._is_known(frame_id, at_s):
            self.repeated += 1
            return []
        ready: list[Ordered[T]] = []
        if self._is_shared(at_s):
            if self._last is not None and frame_id <= self._last[0]:
                self._shared_s = at_s
        elif self._comes_late(frame_id, at_s):
            self.late += 1
            return []
        elif self._begins_session(frame_id, at_s):
            ready = self.begin_session(at_s)
        if self._is_shared(at_s):
            self._leave(one)
            return [*ready, one]
        self._waiting[frame_id] = one
        newest_s = max(waiting.at_s for waiting in self._waiting.values())
        while self._waiting:
            first = min(self._waiting)
            follows = self._last is not None and first == self._last[0] + 1
            overdue = newest_s - self._waiting[first].at_s >= self._most_s
            if not (follows or overdue or len(self._waiting) > self._most_frames):
                break
            ready.append(self._release(first))
        return ready

    def flush(self) -> list[Ordered[T]]:
        """Return all that waits, in order: nothing more will come, or not for long."""
        return [self._release(frame_id) for frame_id in sorted(self._waiting)]

    def begin_session(self, at_s: float) -> list[Ordered[T]]:
        """Return all that waits, in order, and begin a session: what comes next may have any number, any time."""
        ready = self.flush()
        if self._begun_s is not None and abs(at_s - self._begun_s) < _SHARED_S:
            self._shared_s = at_s
        self._last, self._recent, self._begun_s = None, [], at_s
        return ready

    def waiting(self) -> list[Ordered[T]]:
        """Return what waits, in order, without releasing it: a checkpoint holds it, or begins before it."""
        return [self._waiting[frame_id] for frame_id in sorted(self._waiting)]

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types, `waiting()` left out."""
        return {
            "last": self._last,
            "recent": self._recent,
            "begun_s": self._begun_s,
            "shared_s": self._shared_s,
            "late": self.late,
            "repeated": self.repeated,
        }

    def resume(self, state: dict[str, Any], waiting: Sequence[Ordered[T]]) -> None:
        """Continue from the `state()` and `waiting()` of another window."""
        last = state["last"]
        self._last = None if last is None else (int(last[0]), last[1])
        self._recent = [(frame_id, at_s) for frame_id, at_s in state.get("recent", [])]
        self._begun_s, self._shared_s = state.get("begun_s"), state.get("shared_s")
        self.late, self.repeated = state["late"], state.get("repeated", 0)
        self._waiting = {one.frame_id: one for one in waiting}

    def _is_known(self, frame_id: int, at_s: float) -> bool:
        waits = self._waiting.get(frame_id)
        if waits is not None and waits.at_s == at_s:
            return True
        place = bisect.bisect_left(self._recent, (frame_id, at_s))
        return place < len(self._recent) and self._recent[place] == (frame_id, at_s)

    def _comes_late(self, frame_id: int, at_s: float) -> bool:
        """Whether a frame belongs, by number and by time, before one that has left."""
        if self._last is None or frame_id >= self._last[0]:
            return False
        place = bisect.bisect_left(self._recent, (frame_id,))
        after_id, after_s = self._recent[place] if place < len(self._recent) else self._last
        if after_id == frame_id or at_s > after_s:
            return False
        return place > 0 and at_s >= self._recent[place - 1][1]

    def _begins_session(self, frame_id: int, at_s: float) -> bool:
        """Whether a frame that is not late disagrees with what has left, or with what waits."""
        if self._last is not None and frame_id <= self._last[0]:
            return True
        return any(
            number == frame_id or ((number > frame_id) != (one.at_s >= at_s) and one.at_s != at_s)
            for number, one in self._waiting.items()
        )

    def _is_shared(self, at_s: float) -> bool:
        return self._shared_s is not None and abs(at_s - self._shared_s) < _SHARED_S

    def _release(self, frame_id: int) -> Ordered[T]:
        ordered = self._waiting.pop(frame_id)
        self._leave(ordered)
        return ordered

    def _leave(self, ordered: Ordered[T]) -> None:
        self._last = (ordered.frame_id, ordered.at_s)
        if not self._recent or self._recent[-1][0] < ordered.frame_id:
            self._recent.append(self._last)
        else:
            bisect.insort(self._recent, self._last)
        if len(self._recent) > _REMEMBERED or self._recent[0][1] < ordered.at_s - 2 * _REMEMBERED_S:
            since_s = ordered.at_s - _REMEMBERED_S
            self._recent = [one for one in self._recent[-_REMEMBERED // 2 :] if one[1] >= since_s]
