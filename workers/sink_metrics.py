"""What the sink counts: frames of each camera by what became of them, their age when stored, and MongoDB's time."""

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Histogram

from contracts.faces import FacesRecord, Status

MOST_CAMERAS = 1000
"""Anybody who may send a picture may make up cameras; beyond so many, others are counted together."""

OTHERS = "(others)"

_STORED = Counter("crowdwatch_sink_stored", "Results written", ["camera", "status"])
_LATENCY = Histogram(
    "crowdwatch_sink_latency_seconds",
    "From a frame's capture to its result in MongoDB, of frames that were detected",
    buckets=(0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800),
)
_WRITE = Histogram(
    "crowdwatch_sink_write_seconds",
    "One bulk write to MongoDB, journalled by a majority",
    buckets=(0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24),
)


class SinkMetrics:
    """Counts what was stored, for so many cameras."""

    def __init__(self, most_cameras: int = MOST_CAMERAS) -> None:
        self._most_cameras = most_cameras
        self._cameras: set[str] = set()

    def stored(self, results: Sequence[FacesRecord], write_s: float, now: datetime) -> None:
        """Enter a batch that was written in `write_s` seconds."""
        if results:
            _WRITE.observe(write_s)
        tally = Tally((self._camera(result.camera_id), result.status) for result in results)
        for (camera, status), frames in tally.items():
            _STORED.labels(camera, status.value).inc(frames)
        for result in results:
            if result.status is Status.OK:
                _LATENCY.observe(max(0.0, (now - result.captured_at).total_seconds()))

    def _camera(self, camera_id: str) -> str:
        if camera_id not in self._cameras:
            if len(self._cameras) >= self._most_cameras:
                return OTHERS
            self._cameras.add(camera_id)
        return camera_id
