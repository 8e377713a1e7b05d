"""Pictures for those who look: the newest of a camera, faces blurred where that is asked for.

A picture is read from the log only when somebody looks, and once for all who look at the same time.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from contracts.access import Role
from contracts.errors import PictureError
from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from detection.stills import blur_faces
from settings import Settings
from storage.cameras import CamerasFollower
from storage.events import EventFrame
from storage.results import Results
from storage.snapshots import Snapshots
from web.errors import RequestError
from web.services.frames import Frames
from web.services.log_check import LogCheck
from web.services.pictures import sniff_content_type

_CAMERAS_AT_MOST = 2000
_PICTURES_AT_MOST = 32
_KEPT_BYTES = 2 * 1024 * 1024
_RULES_KEPT_S = 2.0
_LOOKED_UP_S = 1.0

_Key = tuple[SourceOffset, str | None, bool]
"""A frame's place, the log that it is a place in, and whether faces are blurred."""


@dataclass(frozen=True)
class Preview:
    """A picture that may be shown, and its media type."""

    data: bytes
    content_type: str


class Previews:
    """Finds and prepares pictures to be shown."""

    def __init__(
        self,
        settings: Settings,
        frames: Frames,
        results: Results,
        logs: LogCheck,
        snapshots: Snapshots,
        cameras: CamerasFollower,
    ) -> None:
        self._settings = settings
        self._topics = (settings.topic_frames, settings.topic_uploads)
        self._frames = frames
        self._results = results
        self._logs = logs
        self._snapshots = snapshots
        self._cameras = cameras
        self._lock = threading.Lock()
        self._newest: OrderedDict[str, FacesRecord] = OrderedDict()
        self._looked_up: OrderedDict[str, float] = OrderedDict()
        self._kept: OrderedDict[_Key, Preview] = OrderedDict()
        self._making: dict[_Key, threading.Lock] = {}
        self._rules_lock = threading.Lock()
        self._rules_s = -_RULES_KEPT_S
        self._blurred: set[str] = set()

    def note(self, record: FacesRecord) -> None:
        """Take in a result: it may be its camera's newest."""
        if record.source.topic not in self._topics:
            return
        with self._lock:
            known = self._newest.get(record.camera_id)
            if known is None or known.came_at <= record.came_at:
                self._newest[record.camera_id] = record
                self._newest.move_to_end(record.camera_id)
                while len(self._newest) > _CAMERAS_AT_MOST:
                    self._newest.popitem(last=False)

    def newest(self, camera_id: str) -> FacesRecord | None:
        """Return the newest result of a camera whose picture is in the log, None when there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with self._lock:
            known = self._newest.get(camera_id)
            asked_s, now_s = self._looked_up.get(camera_id, -_LOOKED_UP_S), time.monotonic()
            if known is not None or now_s - asked_s < _LOOKED_UP_S:
                return known
            self._looked_up[camera_id] = now_s
            while len(self._looked_up) > _CAMERAS_AT_MOST:
                self._looked_up.popitem(last=False)
        for record in self._results.newest(1, camera_id):
            self.note(record)
        with self._lock:
            return self._newest.get(camera_id)

    def must_blur(self, camera_id: str, role: Role) -> bool:
        """Whether faces of this camera are not to be shown to somebody of this role.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        if role is Role.VIEWER and self._settings.blur_for_viewers:
            return True
        with self._rules_lock:
            if time.monotonic() - self._rules_s >= _RULES_KEPT_S:
                changes = self._cameras.poll()
                self._blurred -= changes.removed
                for name, camera in changes.changed.items():
                    (self._blurred.add if camera.blur_faces else self._blurred.discard)(name)
                self._rules_s = time.monotonic()
            return camera_id in self._blurred

    def refuse_private(self, camera_id: str | None, role: Role) -> None:
        """Return if a picture whose faces are not known may be shown to somebody of this role.

        Raises:
            RequestError: 404, its camera blurs faces, or is not known and another one blurs them.
            UnavailableError: MongoDB does not answer.
        """
        if self._may_need_blur(role) and (camera_id is None or self.must_blur(camera_id, role)):
            raise RequestError(
                404, "where the faces of this picture are is not known, so it is not shown", code="private"
            )

    def of(self, source: SourceOffset, role: Role, log_id: str | None = None) -> Preview:
        """Return the picture of a frame for somebody of this role.

        Args:
            source: the frame's place.
            role: who asks.
            log_id: the log that this is a place in; the one that the topic has now if it is left out.

        Raises:
            RequestError: 404, the log does not hold it, or no more, or its faces are not known and it may not be shown
                without that; 415, it is no picture.
            UnavailableError: Kafka or MongoDB does not answer.
        """
        log_id = self._logs.now(source.topic) if log_id is None else log_id
        record = self._frames.find(source, log_id) if self._may_need_blur(role) else None
        return self._prepared(source, log_id, record, role)

    def of_record(self, record: FacesRecord, role: Role) -> Preview:
        """As `of`, where the frame's result is known."""
        log_id = self._logs.now(record.source.topic) if record.log_id is None else record.log_id
        if not self._logs.is_of(record, log_id):
            raise RequestError(404, f"the log holds the picture {record.source} no more")
        return self._prepared(record.source, log_id, record, role)

    def of_alert(self, alert_id: str, frame: EventFrame, role: Role) -> Preview:
        """Return the picture of an alert that `frame` raised: what is kept of it, else the log's.

        Raises:
            RequestError: as `of`.
            UnavailableError: Kafka or MongoDB does not answer.
        """
        kept = self._snapshots.get(alert_id)
        if kept is None:
            record = self._frames.find(frame.source)
            if record is None or not frame.is_of(record):
                raise RequestError(404, "no picture of this alert was kept, and the log does not hold it")
            return self.of_record(record, role)
        if kept.blurred or not self.must_blur(kept.camera_id, role):
            return Preview(kept.jpeg, "image/jpeg")
        return Preview(blur_faces(kept.jpeg, kept.boxes, self._settings.max_picture_pixels), "image/jpeg")

    def _may_need_blur(self, role: Role) -> bool:
        self.must_blur("", role)
        return (role is Role.VIEWER and self._settings.blur_for_viewers) or bool(self._blurred)

    def _prepared(self, source: SourceOffset, log_id: str | None, record: FacesRecord | None, role: Role) -> Preview:
        """Return the picture from what is kept, else make it; others who want the same wait for that."""
        blurred = self._may_need_blur(role) and (record is None or self.must_blur(record.camera_id, role))
        if blurred and (record is None or record.status is not Status.OK):
            raise RequestError(404, f"where the faces of {source} are is not known, so it is not shown", code="private")
        key = (source, log_id, blurred)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                with self._lock:
                    if key in self._kept:
                        return self._kept[key]
                preview = self._make(source, log_id, record if blurred else None)
                with self._lock:
                    if len(preview.data) <= _KEPT_BYTES:
                        self._kept[key] = preview
                    while len(self._kept) > _PICTURES_AT_MOST:
                        self._kept.popitem(last=False)
                return preview
        finally:
            with self._lock:
                self._making.pop(key, None)

    def _make(self, source: SourceOffset, log_id: str | None, to_blur: FacesRecord | None) -> Preview:
        data = self._frames.picture(source, log_id)
        if not data:
            raise RequestError(404, f"the log holds no picture {source}, or no more")
        content_type = sniff_content_type(data)
        if content_type is None:
            raise RequestError(415, f"{source} is no JPEG, PNG, WebP or BMP picture")
        if to_blur is None:
            return Preview(data, content_type)
        try:
            boxes = [face.bounding_box for face in to_blur.faces]
            return Preview(blur_faces(data, boxes, self._settings.max_picture_pixels), "image/jpeg")
        except PictureError as error:
            raise RequestError(415, f"{source}: {error}") from error
