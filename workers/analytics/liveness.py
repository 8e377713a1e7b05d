"""Whether a camera's results come as its frames are taken, and how far its clock is from the log's."""

import statistics
from typing import Any

from contracts.clocks import CameraClock
from contracts.faces import FacesRecord
from contracts.frames import Origin
from settings import Settings

_PACE = 1.5
_PACE_SLACK_S = 2.0
_PACE_OVER_S = 5.0
_PACE_EVERY_S = 0.5
_PACE_RESULTS = 3

_MEASURED = 15
_MEASURED_EVERY_S = 1.0
_MEASURED_AT_LEAST = 10
_TELL_EVERY_S = 60.0
_TELL_CHANGE_S = 0.5
_UPLOADED = (Origin.UPLOAD, Origin.API)


class Liveness:
    """Judges one camera's results as they come.

    A result whose time is near the present is live. One whose clock is wrong is live when its frames are taken,
    received and analysed at the same pace for five seconds. What was uploaded never is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pace: list[tuple[float, float, float]] = []  # when it was analysed, received, and taken by its claim

    def judge(self, record: FacesRecord, now_s: float) -> bool | None:
        """Return whether a result is live; None when that is not known yet."""
        if record.source.topic == self._settings.topic_uploads or record.origin in _UPLOADED:
            return False
        taken_s = claimed_s(record)
        on_time = record.claimed_at is None and now_s - taken_s < self._settings.camera_offline_s
        if record.received_at is None:
            return on_time
        keeps = self._keeps_pace(now_s, record.received_at.timestamp(), taken_s)
        return True if on_time else keeps

    def _keeps_pace(self, now_s: float, received_s: float, taken_s: float) -> bool | None:
        here = (now_s, received_s, taken_s)
        if self._pace:
            before = self._pace[-1]
            if not _is_paced(before, here):
                self._pace = [here]
                return False
            if now_s - before[0] < _PACE_EVERY_S:
                return self._is_paced()
        self._pace.append(here)
        if len(self._pace) > _PACE_RESULTS and now_s - self._pace[1][0] >= _PACE_OVER_S:
            self._pace.pop(0)
        return self._is_paced()

    def _is_paced(self) -> bool | None:
        first, last = self._pace[0], self._pace[-1]
        if last[0] - first[0] < _PACE_OVER_S or len(self._pace) < _PACE_RESULTS:
            return None
        return _is_paced(first, last)


def claimed_s(record: FacesRecord) -> float:
    """Return the time of a frame by its producer's clock, whether or not it was believed."""
    return (record.claimed_at or record.captured_at).timestamp()


def _is_paced(before: tuple[float, float, float], after: tuple[float, float, float]) -> bool:
    analysed_s, received_s, taken_s = (late - early for early, late in zip(before, after, strict=True))
    if received_s > _PACE * analysed_s + _PACE_SLACK_S:
        return False
    return -_PACE_SLACK_S <= taken_s <= _PACE * received_s + _PACE_SLACK_S


class Skew:
    """Measures one camera's clock by its live results: the median of some seconds.

    The clock is wrong once it is off by `limit_s` or more, and right again when it is off by less than half of that.
    """

    def __init__(self) -> None:
        self._measured: list[list[float]] = []  # when a frame was received, and by how much its claim was ahead
        self._told: list[float] | None = None
        self.is_wrong = False

    def measure(self, record: FacesRecord, limit_s: float) -> tuple[CameraClock | None, bool]:
        """Take a live result; return what is to be told of the clock, and whether it went wrong or right."""
        if record.received_at is None:
            return None, False
        received_s = record.received_at.timestamp()
        if self._measured and abs(received_s - self._measured[-1][0]) < _MEASURED_EVERY_S:
            return None, False
        self._measured = [*self._measured, [received_s, claimed_s(record) - received_s]][-_MEASURED:]
        if len(self._measured) < _MEASURED_AT_LEAST:
            return None, False
        skew_s = round(statistics.median(skew for _, skew in self._measured), 3)
        was_wrong = self.is_wrong
        self.is_wrong = abs(skew_s) >= (limit_s / 2 if was_wrong else limit_s)
        told, changed = self._told, self.is_wrong != was_wrong
        is_new = told is None or abs(skew_s - told[1]) >= _TELL_CHANGE_S or abs(received_s - told[0]) >= _TELL_EVERY_S
        if not (is_new or changed):
            return None, False
        self._told = [received_s, skew_s]
        return CameraClock(record.camera_id, skew_s, record.received_at), changed

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        return {"measured": self._measured, "told": self._told, "is_wrong": self.is_wrong}

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from the `state` of another one."""
        self._measured, self._told, self.is_wrong = state["measured"], state["told"], state["is_wrong"]
