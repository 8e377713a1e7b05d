"""How a capture goes: what came of the last frames, why none are sent, and whether a thread of it hangs."""

import time
from collections.abc import Callable

_SILENT_S = 10.0
"""A capture that sent nothing for so long is not live, unless it is told to send more rarely than that."""


class CaptureHealth:
    """Follows one capture. Its threads write, its process reads: each value is replaced whole.

    A capture is live while the source answers and Kafka has acknowledged a frame lately. Nothing else counts: neither
    an open connection nor a thread that runs.
    """

    def __init__(self, interval_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the longest time between two frames that are sent on purpose, and a clock in seconds."""
        self._clock = clock
        self._silent_s = _SILENT_S + 3 * interval_s
        self._began_s = clock()
        self._sent_s: float | None = None
        self._source_answers = False
        self._source_trouble: str | None = None
        self._picture_trouble: str | None = None
        self._kafka_trouble: str | None = None
        self._kafka_takes = False
        self._beats: dict[str, float] = {}

    def connected(self) -> bool:
        """Note that the source gave a frame; return whether it did not before."""
        was, self._source_answers, self._source_trouble = self._source_answers, True, None
        return not was

    def broke(self, reason: str) -> None:
        """Note that the source does not answer."""
        self._source_answers, self._source_trouble = False, reason

    def unusable(self, reason: str) -> None:
        """Note that a frame could not be made a picture that may be sent."""
        self._picture_trouble = reason

    def kafka_answers(self) -> None:
        """Note that Kafka was reached."""
        self._kafka_takes, self._kafka_trouble = True, None

    def refused(self, reason: str) -> None:
        """Note that Kafka did not take a frame."""
        self._kafka_takes, self._kafka_trouble = False, reason

    def acknowledged(self) -> None:
        """Note that a frame is in the log."""
        self._sent_s, self._picture_trouble = self._clock(), None
        self.kafka_answers()

    def beat(self, thread: str, ahead_s: float = 0.0) -> None:
        """Note that a thread works; it may be silent for `ahead_s` from now on."""
        self._beats[thread] = self._clock() + max(0.0, ahead_s)

    def stalled_s(self) -> float:
        """Return for how long the thread that has been silent longest has not shown that it works."""
        return max(0.0, self._clock() - min(self._beats.copy().values(), default=self._clock()))

    def ready(self) -> dict[str, bool]:
        """Whether Kafka took the last frame, and whether the source gives frames that can be sent."""
        return {"kafka": self._kafka_takes, "source": self._source_answers and self._picture_trouble is None}

    @property
    def live(self) -> bool:
        """Whether frames really are sent."""
        return self._source_answers and self._sent_s is not None and self._clock() - self._sent_s <= self._silent_s

    @property
    def trouble(self) -> str | None:
        """Why no frames are sent, without the address's secrets; None while they are, and at the beginning."""
        if self.live:
            return None
        trouble = self._source_trouble or self._picture_trouble or self._kafka_trouble
        silent_s = self._clock() - (self._began_s if self._sent_s is None else self._sent_s)
        if trouble is None and silent_s > self._silent_s:
            return f"no frame was sent for {silent_s:.0f} s"
        return trouble


def failure(error: BaseException) -> str:
    """Return the kind of an error and where it was raised: its own words may hold an address with a password."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    name = type(error).__name__
    if where is None:
        return name
    file = where.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f"{name} in {file}:{where.tb_lineno}"
