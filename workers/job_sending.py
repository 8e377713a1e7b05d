"""Sends the frames of one job into the log, each exactly once, however often the sender is killed.

A frame's id follows from its place in the job, and a camera's frames lie in one partition in the order they were sent.
So the log itself says how far a killed sender came: what it holds behind the last noted place is not sent again.

An upload ends when it was uploaded, or begins when its uploader says that it was taken. No frame of it is dated later
than the upload: one that would be, because the container lies about its length, bears the time of the upload.
"""

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from contracts.errors import PictureError, UnavailableError
from contracts.frames import FrameHeaders, Origin
from contracts.offsets import SourceOffset
from contracts.times import to_milliseconds
from messaging.producer import Producer
from messaging.reader import LogReader
from settings import Settings
from storage.jobs import FRAMES_AT_MOST, Job, Jobs
from workers.capture_reading import picture_type
from workers.video_process import VideoProcess

WITHOUT_RESULT_AT_MOST = 512
"""Frames of a job that may wait for their results: a video must not flood the log, whose retention counts bytes."""

_UNACKNOWLEDGED_AT_MOST = 32
_NOTE_EVERY_S = 1.0
_STILL_SENDING = timedelta(seconds=150)
_ACKNOWLEDGED_WITHIN_S = 130.0
_READ_AT_ONCE = 500
_START_TIMEOUT_S = 10.0
_PICTURE_STEP_S = 0.001


class Stopped(Exception):
    """The job was cancelled, is somebody else's now, or the role stops: leave it as it is."""


class JobSender:
    """Sends one job's frames until all are sent, it is cancelled, or `stop` is set."""

    def __init__(self, settings: Settings, jobs: Jobs, producer: Producer, job: Job, stop: threading.Event) -> None:
        self._settings = settings
        self._jobs = jobs
        self._producer = producer
        self._job = job
        self._stop = stop
        self._sent = job.sent
        self._place = job.place
        self._first_at = job.first_at
        self._waiting: deque[Future[SourceOffset]] = deque()
        self._noted_s = time.monotonic()

    def run(self) -> int:
        """Send what is not in the log yet; return how many frames the job has.

        Raises:
            PictureError: the upload cannot be decoded, or no further.
            UnavailableError: Kafka or MongoDB does not answer; the job goes on later.
            Stopped: the job is not to be gone on with.
        """
        if self._job.touched_at is not None:
            self._sent = self._sent_before()
        if self._place is None and self._job.since is None:
            self._mark()
        try:
            return self._send_rest()
        except UnavailableError:
            wait(self._waiting, _ACKNOWLEDGED_WITHIN_S)  # what is under way must not come after the next look
            raise

    def _send_rest(self) -> int:
        number = self._sent
        with closing(self._frames(number)) as frames:
            for at_s, picture in frames:
                if number >= FRAMES_AT_MOST:
                    raise PictureError(f"there are more than {FRAMES_AT_MOST} frames in it")
                self._send(number, at_s, picture)
                number += 1
        while self._waiting:
            self._settle(patiently=True)
        self._note()
        return number

    def _frames(self, skip: int) -> Generator[tuple[float, bytes], None, None]:
        if self._job.is_video:
            return self._video(skip)
        return self._pictures(skip)

    def _date(self, duration_s: float) -> None:
        """Settle the time of the first frame. It is noted before any frame is sent: whoever resumes dates by it."""
        if self._first_at is not None:
            return
        latest = self._job.created_at - timedelta(seconds=duration_s)
        given = self._job.captured_at
        self._first_at = to_milliseconds(latest if given is None else min(given, latest))
        if not self._jobs.change(self._job.job_id, first_at=self._first_at):
            raise Stopped

    def _pictures(self, skip: int) -> Generator[tuple[float, bytes], None, None]:
        self._date((len(self._job.files) - 1) * _PICTURE_STEP_S)
        for number, file in enumerate(self._job.files):
            if number < skip:
                continue
            data = self._jobs.read_file(file.file_id)
            if data is None:
                raise PictureError(f"the file {file.name} is gone")
            yield number * _PICTURE_STEP_S, data

    def _video(self, skip: int) -> Generator[tuple[float, bytes], None, None]:
        with self._local_copy() as path, VideoProcess(self._settings, path, self._job.fps, skip) as video:
            duration_s = video.duration_s()
            self._date(duration_s)
            self._jobs.change(self._job.job_id, expected=round(duration_s * self._job.fps) or None)
            yield from video.frames()

    @contextmanager
    def _local_copy(self) -> Iterator[Path]:
        with TemporaryDirectory(prefix="crowdwatch-job-") as folder:
            path = Path(folder) / "video"
            with path.open("wb") as file:
                if not self._jobs.copy_file(self._job.files[0].file_id, file):
                    raise PictureError("the file is gone")
            yield path

    def _send(self, number: int, at_s: float, picture: bytes) -> None:
        self._hold_back(number)
        while len(self._waiting) >= _UNACKNOWLEDGED_AT_MOST:
            self._settle(patiently=True)
        assert self._first_at is not None
        headers = FrameHeaders(
            frame_id=self._job.first_frame_id + number,
            captured_at=min(self._first_at + timedelta(seconds=at_s), self._job.created_at),
            content_type=picture_type(picture),
            origin=Origin.UPLOAD,
        )
        sent = self._producer.send_frame(self._settings.topic_frames, self._job.camera_id, picture, headers)
        self._waiting.append(sent)
        self._settle(patiently=False)
        if time.monotonic() - self._noted_s >= _NOTE_EVERY_S:
            self._note()

    def _hold_back(self, number: int) -> None:
        """Wait while too many frames have no result yet."""
        if number % (WITHOUT_RESULT_AT_MOST // 4):
            return
        while number - self._jobs.count_results(self._job) > WITHOUT_RESULT_AT_MOST:
            self._settle(patiently=False)
            self._note()
            if self._stop.wait(_NOTE_EVERY_S):
                raise Stopped

    def _settle(self, *, patiently: bool) -> None:
        """Count what Kafka has acknowledged, in order; `patiently`, wait for the oldest."""
        if patiently and self._waiting:
            try:
                self._waiting[0].result(_ACKNOWLEDGED_WITHIN_S)
            except FutureTimeoutError as error:
                raise UnavailableError("Kafka does not acknowledge frames") from error
        while self._waiting and self._waiting[0].done():
            self._place = self._waiting.popleft().result()
            self._sent += 1

    def _note(self) -> None:
        """Write down how far it is, and learn whether to go on."""
        fields = {"sent": self._sent, "place": self._place, "touched_at": datetime.now(timezone.utc)}
        goes_on = self._jobs.change(self._job.job_id, **fields)
        self._noted_s = time.monotonic()
        if not goes_on or self._stop.is_set():
            raise Stopped

    def _mark(self) -> None:
        """Note where the log ends before the first frame of the job is sent."""
        with self._reader() as reader:
            ends = reader.ends(reader.partitions([self._settings.topic_frames]))
        since = {str(partition): end for (_, partition), end in ends.items()}
        if not self._jobs.change(self._job.job_id, since=since):
            raise Stopped

    def _sent_before(self) -> int:
        """Return how many frames of the job the log holds, sent by one who was killed before it noted them."""
        key, sent = self._job.camera_id.encode(), self._job.sent
        with self._reader() as reader:
            positions = self._unnoted(reader)
            ends = reader.ends(positions)
            while any(position < ends[where] for where, position in positions.items()):
                records, positions = reader.read_since(positions, _READ_AT_ONCE)
                for record in records:
                    frame_id = FrameHeaders.decode(record.headers).frame_id
                    if record.key == key and frame_id is not None:
                        number = frame_id - self._job.first_frame_id
                        if 0 <= number < FRAMES_AT_MOST and number >= sent:
                            sent, self._place = number + 1, record.source
        return sent

    def _unnoted(self, reader: LogReader) -> dict[tuple[str, int], int]:
        """Return from where on the log may hold frames that are not noted."""
        topic, place, since = self._settings.topic_frames, self._job.place, self._job.since
        if place is not None:
            return {(place.topic, place.partition): place.offset}
        if since is not None:
            return {(topic, int(partition)): offset for partition, offset in since.items()}
        assert self._job.touched_at is not None  # begun by a version that noted no `since`
        return reader.positions_at([topic], self._job.touched_at - _STILL_SENDING)

    @contextmanager
    def _reader(self) -> Iterator[LogReader]:
        reader = LogReader(self._settings)
        reader.start(_START_TIMEOUT_S, [self._settings.topic_frames])
        try:
            yield reader
        finally:
            reader.close()
