"""What the first page shows: each camera's newest result, how its count went, and the totals."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from contracts.cameras import Camera
from contracts.errors import UnavailableError
from contracts.faces import FacesRecord
from contracts.times import to_rfc3339
from settings import Settings
from storage.cameras import Cameras
from storage.overview import Overview, TrendPoint
from storage.results import Results

CAMERAS_AT_MOST = 100
_TREND = timedelta(minutes=10)
_BUCKET_S = 10
_KEPT_S = 0.9
_TREND_KEPT_S = 4.0
_TREND_TAIL = timedelta(seconds=30)
_TREND_WHOLE_EVERY_S = 60.0
_RECENT = timedelta(seconds=15)
_AHEAD = timedelta(minutes=5)
"""The log's clock, and the workers', may be so far ahead of this one."""

Trends = Mapping[str, Sequence[TrendPoint]]
"""The points of each camera, oldest first."""


class OverviewPage:
    """Puts the page's data together, and keeps it for a moment, so that many viewers cost as much as one."""

    def __init__(
        self,
        settings: Settings,
        overview: Overview,
        results: Results,
        cameras: Cameras,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._picture_topics = (settings.topic_frames, settings.topic_uploads)
        self._overview = overview
        self._results = results
        self._cameras = cameras
        self._now = now
        self._lock = threading.Lock()
        self._data: dict[str, Any] | UnavailableError = {}
        self._data_s = -_KEPT_S
        self._trends: Trends = {}
        self._trends_s = -_TREND_KEPT_S
        self._trends_whole_s = -_TREND_WHOLE_EVERY_S

    def data(self) -> dict[str, Any]:
        """Return the page's data as JSON types.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with self._lock:
            if time.monotonic() - self._data_s >= _KEPT_S:
                try:
                    self._data = self._read()
                except UnavailableError as error:  # kept too: those who queue up here do not wait one after another
                    self._data = error
                self._data_s = time.monotonic()
            if isinstance(self._data, UnavailableError):
                raise UnavailableError(str(self._data)) from self._data
            return self._data

    def _read(self) -> dict[str, Any]:
        now = self._now()
        if time.monotonic() - self._trends_s >= _TREND_KEPT_S:
            self._read_trends(now)
        newest = list(self._overview.newest_of_each_camera(CAMERAS_AT_MOST))
        known = {one.camera_id: one for one in self._cameras.of_ids([record.camera_id for record in newest])}
        cameras = [self._camera(record, known.get(record.camera_id), now) for record in newest]
        live = [camera for camera in cameras if camera["state"] == "live"]
        return {
            "at": to_rfc3339(now),
            "trend": {"from": to_rfc3339(now - _TREND), "to": to_rfc3339(now), "bucket_s": _BUCKET_S},
            "totals": {
                "faces_now": sum(camera["result"]["total_faces"] for camera in live),
                "live_cameras": len(live),
                "cameras": len(cameras),
                "frames": self._results.count(),
            },
            "cameras": cameras,
        }

    def _read_trends(self, now: datetime) -> None:
        """Read the last moments anew, and now and then the whole time, for results that came late."""
        start, cut = (bucket_start(now - back, _BUCKET_S) for back in (_TREND, _TREND_TAIL))
        if time.monotonic() - self._trends_whole_s >= _TREND_WHOLE_EVERY_S:
            self._trends = self._overview.trends(start, _BUCKET_S)
            self._trends_whole_s = time.monotonic()
        else:
            self._trends = merge_trends(self._trends, self._overview.trends(cut, _BUCKET_S), start, cut)
        self._trends_s = time.monotonic()

    def _camera(self, record: FacesRecord, camera: Camera | None, now: datetime) -> dict[str, Any]:
        return {
            "camera_id": record.camera_id,
            "name": "" if camera is None else camera.name,
            "venue": None if camera is None else camera.venue,
            "state": state_of(record, now),
            "has_picture": record.source.topic in self._picture_topics,
            "result": record.to_dict(),
            "trend": [
                {"at": to_rfc3339(point.at), "mean_faces": point.mean_faces, "max_faces": point.max_faces}
                for point in self._trends.get(record.camera_id, [])
            ],
        }


def bucket_start(at: datetime, bucket_s: int) -> datetime:
    """Return when the bucket began that `at` lies in."""
    return datetime.fromtimestamp(at.timestamp() // bucket_s * bucket_s, timezone.utc)


def merge_trends(old: Trends, fresh: Trends, start: datetime, cut: datetime) -> Trends:
    """Return the points of `old` from `start` until `cut`, and those of `fresh`, which begins at `cut`."""
    cameras = {**old, **fresh}
    merged = {
        camera_id: [*(point for point in old.get(camera_id, ()) if start <= point.at < cut), *fresh.get(camera_id, ())]
        for camera_id in cameras
    }
    return {camera_id: points for camera_id, points in merged.items() if points}


def state_of(newest: FacesRecord, now: datetime) -> str:
    """Return `live`, `behind` (results still come, of frames that are old) or `quiet` (nothing has come lately).

    It goes by when the frame came into the log: the camera's own clock may be wrong.
    """
    if -_AHEAD <= now - newest.came_at <= _RECENT:
        return "live"
    return "behind" if -_AHEAD <= now - newest.detected_at <= _RECENT else "quiet"
