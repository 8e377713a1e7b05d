"""A clock that is set, and a single frame with a wrong date: told apart by when the log received the frames."""

from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

LEAP_S = 10.0
"""Two frames may disagree by so much about the time between them: queues, pauses, and frames out of order."""

_LEAP_IN_ORDER_S = 3.0
"""The same of two frames that follow each other by their numbers."""


class Dated(msgspec.Struct, Generic[T], frozen=True):
    """A frame with the time it claims, and when the log received it where that is known, in seconds since 1970."""

    frame_id: int
    at_s: float
    received_s: float | None
    frame: T


class Passed(NamedTuple, Generic[T]):
    """A frame that passed: the time under which it is analysed, and whether the camera's clock was set before it."""

    at_s: float
    frame: Dated[T]
    is_set: bool = False


class LeapGuard(Generic[T]):
    """Compares each frame's step in time with the step in the time of receipt.

    A frame that leaps ahead of the frames before it, or back, is held until the next one has come. When that one is
    near it, the clock was set, and both pass. When it is near the frames before, the held one passes under the time at
    which it was received, on the camera's clock as it was. Frames that each leap further ahead pass one frame late: a
    time lapse that is loaded in one go.
    """

    def __init__(self) -> None:
        self._last: Dated[None] | None = None
        self.held: Dated[T] | None = None
        self.redated = 0
        self.set = 0

    def push(self, one: Dated[T], *, is_live: bool = True) -> list[Passed[T]]:
        """Add a frame in the order of arrival; return those that pass. A recording (not `is_live`) may leap ahead."""
        last, held = self._last, self.held
        if last is None or (held is None and not _leaps(last, one, is_live)):
            return [self._take(one)]
        if held is None:
            self.held = one
            return []
        self.held = None
        if self._confirms(last, held, one, is_live):
            passed = self._take(held, is_set=not (one.at_s >= held.at_s > last.at_s and _leaps(held, one, is_live)))
        else:
            passed = self._redate(last, held, one)
        return [passed, *self.push(one, is_live=is_live)]

    def flush(self) -> list[Passed[T]]:
        """Return the frame that is held under the time of its receipt: no other will come to confirm it."""
        held, self.held = self.held, None
        return [] if held is None or self._last is None else [self._redate(self._last, held, None)]

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types, the frame that is held left out."""
        last = self._last
        return {
            "last": None if last is None else [last.frame_id, last.at_s, last.received_s],
            "redated": self.redated,
            "set": self.set,
        }

    def resume(self, state: dict[str, Any], held: Dated[T] | None) -> None:
        """Continue from the `state()` and the `held` frame of another guard."""
        last = state["last"]
        self._last = None if last is None else Dated(last[0], last[1], last[2], None)
        self.redated, self.set, self.held = state["redated"], state["set"], held

    def _confirms(self, last: Dated[None], held: Dated[T], one: Dated[T], is_live: bool) -> bool:
        """Whether a frame belongs to the held one rather than to the last one that passed."""
        if _leaps(held, one, is_live) and _leaps(last, one, is_live):
            return one.at_s >= held.at_s > last.at_s
        return abs(_step(held, one)) < abs(_step(last, one))

    def _take(self, one: Dated[T], is_set: bool = False) -> Passed[T]:
        self._last = Dated(one.frame_id, one.at_s, one.received_s, None)
        self.set += is_set
        return Passed(one.at_s, one, is_set)

    def _redate(self, last: Dated[None], held: Dated[T], after: Dated[T] | None) -> Passed[T]:
        self.redated += 1
        at_s = last.at_s + _received_step(last, held)
        if after is not None and after.at_s >= last.at_s:
            at_s = min(at_s, after.at_s)
        return Passed(at_s, held)


def _received_step(before: Dated[Any], after: Dated[Any]) -> float:
    if before.received_s is None or after.received_s is None:
        return 0.0
    return max(after.received_s - before.received_s, 0.0)


def _step(before: Dated[Any], after: Dated[Any]) -> float:
    """Return by how much a step in time differs from that in the time of receipt; a pause is no difference."""
    step_s, received_s = after.at_s - before.at_s, _received_step(before, after)
    return step_s if step_s < 0 else max(step_s - received_s, 0.0)


def _leaps(before: Dated[Any], after: Dated[Any], is_live: bool) -> bool:
    step_s = _step(before, after)
    if step_s > 0 and not is_live:
        return False
    return abs(step_s) > (_LEAP_IN_ORDER_S if after.frame_id == before.frame_id + 1 else LEAP_S)
