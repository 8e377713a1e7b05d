"""How many frames make a good task. Pure."""

TASK_S = 0.8
"""The work of a full task."""

_FIRST_FRAMES = 16
_WEIGHT = 1 / 8


class Pace:
    """Chooses the size of a full range, so that a worker has about 0.8 s of work with it.

    Smaller tasks cost more for each frame (queue, read, acknowledgement); larger ones keep their first frames waiting
    for their last, and lose more with a killed worker.

    Args:
        most: frames in one task at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._frame_s: float | None = None

    def measured(self, service_s: float, frames: int) -> None:
        """Learn how long a worker took for a task of so many frames."""
        frame_s = service_s / frames
        self._frame_s = frame_s if self._frame_s is None else self._frame_s + _WEIGHT * (frame_s - self._frame_s)

    @property
    def frames(self) -> int:
        """Frames in a full range, from 1 to the most."""
        wanted = _FIRST_FRAMES if self._frame_s is None else round(TASK_S / max(self._frame_s, 1e-6))
        return min(max(1, wanted), self._most)

    @property
    def frame_s(self) -> float:
        """How long a worker takes for a frame: 0 before that is known."""
        return self._frame_s or 0.0
