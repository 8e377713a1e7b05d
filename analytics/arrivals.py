"""One camera's results as they arrive: brought into the order of their frames, and wrong dates put right."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from analytics.tracking import Dated, LeapGuard, Ordered, Passed, ReorderWindow
from contracts.faces import FacesRecord
from contracts.frames import Origin
from contracts.times import from_epoch_ms

_RECORDED = (Origin.FILE, Origin.UPLOAD)
"""Where a frame's time is a recording's own: it is loaded faster than it was taken, with leaps ahead in it."""


class Arrivals:
    """Takes results in the order of arrival, and returns them in the order in which they are to be analysed."""

    def __init__(self) -> None:
        self._guard = LeapGuard[FacesRecord]()
        self._window = ReorderWindow[FacesRecord]()

    def push(self, record: FacesRecord) -> list[FacesRecord]:
        """Take a result; return those whose turn has come with it."""
        passed = self._guard.push(_dated(record), is_live=record.origin not in _RECORDED)
        return [ready for one in passed for ready in self._order(one)]

    def flush(self) -> list[FacesRecord]:
        """Return what waits for its turn: nothing more will come, or not for long.

        A result whose date is in doubt waits for the next one all the same.
        """
        return [ordered.frame for ordered in self._window.flush()]

    def finish(self) -> list[FacesRecord]:
        """Return all that waits: nothing more will come."""
        return [ready for one in self._guard.flush() for ready in self._order(one)] + self.flush()

    @property
    def exceptions(self) -> Counter[str]:
        """Results so far that came `late` or were `repeated`, and those `redated`: analysed under another time."""
        return Counter(late=self._window.late, repeated=self._window.repeated, redated=self._guard.redated)

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        held = self._guard.held
        return {
            "guard": {**self._guard.state(), "held": None if held is None else held.frame.to_dict()},
            "window": {
                **self._window.state(),
                "waiting": [ordered.frame.to_dict() for ordered in self._window.waiting()],
            },
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state` of another one; an older state may lack the guard's."""
        window = state["window"]
        records = [FacesRecord.from_dict(one) for one in window["waiting"]]
        self._window.resume(window, [Ordered(one.frame_id, one.captured_at.timestamp(), one) for one in records])
        if (guard := state.get("guard")) is not None:
            held = None if guard["held"] is None else _dated(FacesRecord.from_dict(guard["held"]))
            self._guard.resume(guard, held)

    def _order(self, passed: Passed[FacesRecord]) -> list[FacesRecord]:
        """Return the results whose turn has come with one that passed the guard."""
        record = passed.frame.frame
        if passed.at_s != passed.frame.at_s:
            record = replace(record, captured_at=from_epoch_ms(round(passed.at_s * 1000)))
        at_s = record.captured_at.timestamp()
        ready = self._window.begin_session(at_s) if passed.is_set else []
        return [ordered.frame for ordered in (*ready, *self._window.push(record.frame_id, at_s, record))]


def _dated(record: FacesRecord) -> Dated[FacesRecord]:
    received_s = None if record.received_at is None else record.received_at.timestamp()
    return Dated(record.frame_id, record.captured_at.timestamp(), received_s, record)
