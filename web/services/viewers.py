"""Live viewers: each has a bounded queue of results, and their number is bounded because each takes a thread."""

import queue
import threading

from contracts.faces import FacesRecord
from web.errors import RequestError
from web.metrics import WebMetrics

_QUEUED_AT_MOST = 256
_RETRY_AFTER_S = 10


class Viewer:
    """One live viewer's queue. A viewer that is too slow misses the oldest results, never the newest."""

    def __init__(self, viewers: "Viewers", camera_id: str | None) -> None:
        self._viewers = viewers
        self._camera_id = camera_id
        self._queue: queue.Queue[FacesRecord] = queue.Queue(_QUEUED_AT_MOST)

    def put(self, record: FacesRecord) -> int:
        """Take in a result that concerns this viewer; return how many older ones had to go."""
        if self._camera_id is not None and record.camera_id != self._camera_id:
            return 0
        dropped = 0
        while True:
            try:
                self._queue.put_nowait(record)
            except queue.Full:
                dropped += self._drop_oldest()
            else:
                return dropped

    def next(self, timeout_s: float) -> FacesRecord | None:
        """Return the next result, None when none came within `timeout_s`."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def leave(self) -> None:
        """Give the place to another viewer. May be called twice."""
        self._viewers.remove(self)

    def _drop_oldest(self) -> int:
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return 0
        return 1


class Viewers:
    """The live viewers of this process, `limit` at most."""

    def __init__(self, limit: int, metrics: WebMetrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._lock = threading.Lock()
        self._viewers: set[Viewer] = set()

    def join(self, camera_id: str | None = None) -> Viewer:
        """Admit a viewer of one camera, or of all.

        Raises:
            RequestError: 503, there are as many as this process has threads for.
        """
        with self._lock:
            if len(self._viewers) >= self._limit:
                raise RequestError(
                    503,
                    f"{self._limit} viewers are connected, as many as fit; poll /api/frames instead",
                    code="too_many_viewers",
                    retry_after_s=_RETRY_AFTER_S,
                )
            viewer = Viewer(self, camera_id)
            self._viewers.add(viewer)
            self._metrics.viewers.set(len(self._viewers))
        return viewer

    def remove(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        with self._lock:
            self._viewers.discard(viewer)
            self._metrics.viewers.set(len(self._viewers))

    def publish(self, record: FacesRecord) -> None:
        """Put a result into the queue of each viewer that it concerns."""
        with self._lock:
            viewers = list(self._viewers)
        dropped = sum(viewer.put(record) for viewer in viewers)
        if dropped:
            self._metrics.results_dropped.inc(dropped)
