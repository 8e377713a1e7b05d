"""Takes the pictures of alerts out of the log while it still holds them, beside the analytics."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timezone

from contracts.errors import ContractError, PictureError, UnavailableError, UnreadableError
from contracts.faces import Status
from contracts.offsets import OffsetRange
from detection.stills import make_still
from messaging.reader import LogReader
from settings import Settings
from storage.cameras import Cameras
from storage.client import Connection
from storage.events import EventFrame
from storage.results import Results
from storage.snapshots import Snapshot, Snapshots, Wanted

log = logging.getLogger(__name__)

_LONGEST_SIDE = 1280
_LOOK_EVERY_S = 1.0
_AGAIN_S = 10.0
_AT_MOST_S = 3600.0
"""The result of a frame is stored within this time, or its picture is not kept."""
_READ_WITHIN_S = 5.0


def now() -> datetime:
    """Return the time."""
    return datetime.now(timezone.utc)


class SnapshotTaker:
    """Fills what `Snapshots` was asked for, in a thread of its own. Several processes may, each entry once.

    A picture is only taken when the result of its frame is stored: its faces must be known to be blurred, and what
    the detector has decoded can be decoded here.
    """

    def __init__(self, client: Connection, settings: Settings, clock: Callable[[], datetime] = now) -> None:
        self._settings = settings
        self._clock = clock
        self._snapshots = Snapshots(client, settings)
        self._results = Results(client, settings)
        self._cameras = Cameras(client, settings)
        self._reader: LogReader | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Begin to take pictures."""
        self._thread.start()

    def close(self) -> None:
        """Finish the picture at hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def take_due(self) -> bool:
        """Take one picture that is due; return False when there is none.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer; the picture is due again later.
        """
        wanted = self._snapshots.claim(self._clock(), _AGAIN_S, _AT_MOST_S)
        if wanted is None:
            return False
        try:
            snapshot = self._take(wanted)
        except (ContractError, UnreadableError, PictureError) as error:
            log.warning("the alert %s of %s has no picture: %s", wanted.alert_id, wanted.camera_id, error)
            self._snapshots.give_up(wanted.alert_id, str(error))
        else:
            if snapshot is not None:
                self._snapshots.keep(wanted.alert_id, snapshot)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                more = self.take_due()
            except UnavailableError as error:
                log.warning("pictures of alerts are taken later: %s", error)
                self._disconnect()
                more = False
            if not more:
                self._stop.wait(_LOOK_EVERY_S)
        self._disconnect()

    def _take(self, wanted: Wanted) -> Snapshot | None:
        """Return the picture, None when the result of its frame, in this log, is not stored yet."""
        record = self._results.get(wanted.source)
        if record is None:
            return None
        if not EventFrame(wanted.source, wanted.camera_id, wanted.at).is_of(record):
            raise PictureError(f"another frame is at {wanted.source} now")
        if record.status is not Status.OK:
            raise PictureError(f"its frame is {record.status.value}")
        data, log_id = self._read(wanted)
        if None not in (record.log_id, log_id) and record.log_id != log_id:
            return None
        blurred = any(camera.blur_faces for camera in self._cameras.of_ids([wanted.camera_id]))
        still = make_still(
            data,
            [face.bounding_box for face in record.faces],
            longest_side=_LONGEST_SIDE,
            max_pixels=self._settings.max_picture_pixels,
            blurred=blurred,
        )
        return Snapshot(wanted.camera_id, still.jpeg, still.boxes, blurred)

    def _read(self, wanted: Wanted) -> tuple[bytes, str | None]:
        """Return the picture and the id of the log that holds it."""
        source = wanted.source
        if self._reader is None:
            self._reader = LogReader(self._settings)
            self._reader.start(_READ_WITHIN_S, (self._settings.topic_frames, self._settings.topic_uploads))
        offsets = OffsetRange(source.offset, source.offset + 1)
        read = self._reader.read_range(source.topic, source.partition, offsets, _READ_WITHIN_S)
        data = read.records[0].value if read.records else None
        if not data:
            raise PictureError(f"the log does not hold {source} any more")
        return data, self._reader.current_log_ids([source.topic]).get(source.topic)

    def _disconnect(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
