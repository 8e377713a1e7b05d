"""`media-stream`: one source's encoded video, with its sound, into the log, in chunks that each stand alone.

As the capture role, but that packets stay as they are wherever the source is encoded well already: nothing is decoded
here, and what a consumer decodes is to the byte what capture would have sent.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Protocol

import av
from av.container import InputContainer

from contracts.errors import ConfigurationError, CrowdwatchError, UnavailableError
from contracts.frames import FrameHeaders, Origin
from contracts.media import ChunkFrame, MediaHeaders
from contracts.offsets import SourceOffset
from contracts.times import to_milliseconds
from messaging.admin import ensure_topics
from messaging.producer import Producer
from settings import Settings
from workers.capture import BROKEN, DROPPED, FRAMES, CaptureOptions, checked_id
from workers.capture_pace import Thinning
from workers.capture_reading import with_video
from workers.capture_sources import NetworkCamera, VideoFile, open_source
from workers.media.cutting import CannotCopyError, ClockTimes, Cut, FileTimes, Times, can_copy, cut
from workers.runner import Backoff

log = logging.getLogger(__name__)

_MOST_UNACKNOWLEDGED = 4
"""Chunks handed to Kafka and not yet acknowledged, at most."""

_STEADY_S = 2.0
_LATE_S = 1.0
_TELL_S = 5.0
_POLL_S = 0.2
_FLUSH_S = 10.0


class ContainerSource(Protocol):
    """A source that FFmpeg reads.

    Attributes:
        name: for logs and people; never holds a password.
        live: whether frames come at their own pace.
    """

    name: str
    live: bool

    def container(self) -> InputContainer:
        """Open it; raises UnavailableError when it is live and does not answer, else ConfigurationError."""

    def duration_s(self) -> float:
        """Return how long one pass takes, in seconds; 0 when that is not known."""


class Device:
    """A webcam of this machine, by its index, as Linux gives it."""

    live = True

    def __init__(self, index: int) -> None:
        self.name = f"webcam {index}"
        self._path = f"/dev/video{index}"

    def container(self) -> InputContainer:
        """As `ContainerSource.container`."""
        try:
            return with_video(av.open(self._path, "r", format="v4l2"))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UnavailableError(f"{self.name} cannot be opened: {getattr(error, 'strerror', error)}") from error

    def duration_s(self) -> float:
        """As `ContainerSource.duration_s`."""
        return 0.0


class MediaStream:
    """Sends one source's chunks to the topic `media-stream`, keyed by its camera.

    Frames are numbered as capture numbers them: from the milliseconds since 1970 at which it began.
    """

    def __init__(
        self,
        settings: Settings,
        camera_id: str,
        source: ContainerSource,
        options: CaptureOptions | None = None,
        *,
        encode: bool = False,
        sound: bool = True,
    ) -> None:
        """Take the source.

        Args:
            settings: where Kafka is, and the names of topics.
            camera_id: the key of its chunks.
            source: what is streamed.
            options: as those of capture.
            encode: whether its frames are encoded anew even where packets could stay as they are.
            sound: whether its sound travels along.
        """
        self._settings = settings
        self._camera_id = checked_id(camera_id)
        self._source = source
        self._options = options or CaptureOptions()
        self._encode = encode
        self._sound = sound
        self._producer = Producer(settings)
        self._thinning = Thinning(self._options.fps)
        self._next_frame_id = time.time_ns() // 1_000_000
        self._waiting: deque[tuple[Future[SourceOffset], int]] = deque()
        self._told_s = float("-inf")
        self._healthy = {"kafka": False, "source": False}

    def start(self) -> None:
        """Connect to Kafka and make the topics where they are missing.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        ensure_topics(self._settings)
        self._producer.start()
        self._healthy["kafka"] = True

    def ready(self) -> dict[str, bool]:
        """Whether Kafka took the last chunk, and whether the source gives frames."""
        return dict(self._healthy)

    def close(self) -> None:
        """Disconnect; what Kafka has not acknowledged by then is counted as dropped."""
        with suppress(UnavailableError):
            self._producer.flush(_FLUSH_S)
        self._settle()
        for _, frames in self._waiting:
            self._drop("kafka", frames)
        self._waiting.clear()
        self._producer.close()

    def run(self, stop: threading.Event) -> None:
        """Stream until `stop` is set or a file ends; what was cut is then acknowledged, or counted as dropped.

        Raises:
            ConfigurationError: a file holds nothing that can be read.
        """
        if self._source.live:
            self._run_live(stop)
        else:
            self._run_file(stop)
        with suppress(UnavailableError):
            self._producer.flush(_FLUSH_S)
        self._settle()

    def _run_file(self, stop: threading.Event) -> None:
        start = datetime.now(timezone.utc)
        if not self._options.pace:  # nothing is captured in the future: a file that is sent at once ends now
            start -= timedelta(seconds=self._source.duration_s())
        times: Times | None = None  # one for all passes: it goes on when a file starts anew
        playing_since_s = time.monotonic()
        while not stop.is_set():
            sent = 0
            with self._source.container() as container:
                if times is None:
                    times = FileTimes(_frame_s(container))
                try:
                    for made in self._cuts(container, times):
                        sent += 1
                        if self._options.pace:
                            late_s = time.monotonic() - playing_since_s - made.end_s
                            stop.wait(max(0.0, -late_s))
                            if late_s > _LATE_S:  # Kafka was away: play on from here, as after a pause
                                playing_since_s += late_s
                                start += timedelta(seconds=late_s)
                        self._healthy["source"] = True
                        self._send_surely(made, start, stop)
                        if stop.is_set():
                            return
                except av.error.FFmpegError as error:
                    log.warning("%s ends early: %s", self._source.name, error.strerror)
                except CannotCopyError as error:
                    raise ConfigurationError(f"{self._source.name}: {error}; --encode encodes it anew") from error
            if not sent:
                raise ConfigurationError(f"no frame of {self._source.name} can be read")
            if not self._options.loop:
                return

    def _run_live(self, stop: threading.Event) -> None:
        backoff = Backoff()
        while not stop.is_set():
            connected_s = time.monotonic()
            try:
                with self._source.container() as container:
                    for made in self._cuts(container, ClockTimes(time.monotonic)):
                        self._healthy["source"] = True
                        self._send_if_there_is_room(made)
                        if stop.is_set():
                            return
                raise UnavailableError(f"{self._source.name} ended")
            except CannotCopyError as error:
                log.warning("%s: %s; it is encoded anew from now on", self._source.name, error)
                self._encode = True
            except Exception as error:  # whatever a decoder throws: a camera must not fall silent
                self._healthy["source"] = False
                BROKEN.labels(self._camera_id).inc()
                if time.monotonic() - connected_s > _STEADY_S:
                    backoff.reset()
                if isinstance(error, av.error.FFmpegError):  # whose own words hold the address
                    log.warning("%s broke off: %s", self._source.name, error.strerror)
                else:
                    log.warning("%s", error, exc_info=not isinstance(error, CrowdwatchError))
                stop.wait(backoff.next_s())

    def _cuts(self, container: InputContainer, times: Times) -> Iterator[Cut]:
        video = container.streams.video[0]
        if not video.codec_context:
            trouble = f"the codec of {self._source.name} is not known"
            raise UnavailableError(trouble) if self._source.live else ConfigurationError(trouble)
        return cut(
            container,
            times,
            self._thinning,
            copy=not self._encode and can_copy(video),
            sound=self._sound,
            most_bytes=self._settings.max_picture_bytes,
            on_damage=self._damaged,
        )

    def _send_surely(self, made: Cut, start: datetime, stop: threading.Event) -> None:
        """Send a chunk of a file, however long Kafka is away."""
        backoff = Backoff()
        while not stop.is_set():
            if len(self._waiting) >= _MOST_UNACKNOWLEDGED:
                with suppress(FutureTimeoutError, UnavailableError):
                    self._waiting[0][0].result(_POLL_S)
            self._settle()
            if len(self._waiting) >= _MOST_UNACKNOWLEDGED:
                continue
            try:
                self._send(made, start)
            except UnavailableError as error:
                log.warning("%s", error)
                stop.wait(backoff.next_s())
            else:
                return

    def _send_if_there_is_room(self, made: Cut) -> None:
        """Send a chunk of a live source, which nothing holds up."""
        self._settle()
        start = datetime.now(timezone.utc) - timedelta(seconds=time.monotonic())
        try:
            if len(self._waiting) < _MOST_UNACKNOWLEDGED:
                self._send(made, start)
                return
        except UnavailableError as error:
            log.warning("%s", error)
        self._drop("kafka", len(made.frames))

    def _send(self, made: Cut, start: datetime) -> None:
        """Hand a chunk to Kafka, its times counted from `start`; raises UnavailableError when there is no room."""
        if len(made.data) > self._settings.max_picture_bytes:
            log.warning("a chunk of %d bytes is larger than max_picture_bytes", len(made.data))
            self._drop("too_large", len(made.frames))
            return
        captured = [to_milliseconds(start + timedelta(seconds=at_s)) for _, at_s in made.frames]
        frames = tuple(
            ChunkFrame(number, round((at - captured[0]).total_seconds() * 1000))
            for (number, _), at in zip(made.frames, captured, strict=True)
        )
        first = FrameHeaders(
            frame_id=self._next_frame_id,
            captured_at=captured[0] if captured else to_milliseconds(start + timedelta(seconds=made.end_s)),
            content_type=made.content_type,
            origin=Origin.LIVE if self._source.live else Origin.FILE,
            max_age_ms=self._options.max_age_ms,
        )
        try:
            sent = self._producer.send(
                self._settings.topic_media,
                made.data,
                key=self._camera_id.encode(),
                headers=MediaHeaders(first, frames).encode(),
            )
        except UnavailableError:
            self._healthy["kafka"] = False
            raise
        self._waiting.append((sent, len(frames)))
        self._next_frame_id += len(frames)

    def _settle(self) -> None:
        """Count what Kafka has answered."""
        while self._waiting and self._waiting[0][0].done():
            sent, frames = self._waiting.popleft()
            error = sent.exception()
            self._healthy["kafka"] = error is None
            if error is None:
                FRAMES.labels(self._camera_id).inc(frames)
            else:
                log.warning("%s", error)
                self._drop("kafka", frames)

    def _drop(self, reason: str, frames: int) -> None:
        DROPPED.labels(self._camera_id, reason).inc(frames)

    def _damaged(self, what: str) -> None:
        self._drop("damaged", 1)
        if time.monotonic() - self._told_s > _TELL_S:  # a broken stream would fill the log
            self._told_s = time.monotonic()
            log.warning("%s: %s", self._source.name, what)


def open_container_source(text: str) -> ContainerSource:
    """Return the source that `text` names: a video file, a URL (rtsp, rtsps, http, https), or a webcam's index.

    Raises:
        ConfigurationError: the scheme is not allowed, there is no such file, or it holds pictures, not video.
    """
    if text.isascii() and text.isdigit():
        return Device(int(text))
    source = open_source(text)
    if not isinstance(source, VideoFile | NetworkCamera):
        raise ConfigurationError(f"{text} holds pictures: expected a video; `crowdwatch camera` sends pictures")
    return source


def _frame_s(container: InputContainer) -> float:
    rate = container.streams.video[0].average_rate
    return float(1 / rate) if rate else 1 / 25
