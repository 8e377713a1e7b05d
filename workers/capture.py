"""The capture role: one source's frames into the log, each with its time.

A file is played at its own pace and every frame of it is sent. A live source is never held up: a reader thread keeps
the newest frame only, and what nobody took in time is counted and gone.
"""

import logging
import random
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from prometheus_client import Counter

from contracts.errors import ConfigurationError, ContractError, CrowdwatchError, UnavailableError
from contracts.frames import FrameHeaders, Origin
from contracts.ids import camera_id
from contracts.offsets import SourceOffset
from settings import Settings
from workers.capture_health import CaptureHealth, failure
from workers.capture_motion import Outline, Sampling
from workers.capture_pace import Limit, Newest, Thinning
from workers.capture_reading import EncodedPicture, Grab
from workers.capture_sender import FrameSender, FramesProducer
from workers.capture_sources import FOLDER_FPS, Source
from workers.runner import Backoff

log = logging.getLogger(__name__)

MOST_UNACKNOWLEDGED = 64
"""Pictures handed to Kafka and not yet acknowledged, at most: with it the memory of a capture is bounded."""

_STEADY_S = 2.0  # a connection that held for this long was a success
_LATE_S = 1.0
_PARTING_S = 1.0
_TELL_S = 5.0
_POLL_S = 0.2
_FLUSH_S = 10.0

FRAMES = Counter("crowdwatch_capture_frames", "Frames of this process's cameras that went into the log", ["camera"])
DROPPED = Counter(
    "crowdwatch_capture_dropped",
    "Frames that were not sent; reason: late (a newer one came), kafka (it took none), damaged, too_large, still "
    "(nothing moves)",
    ["camera", "reason"],
)
BROKEN = Counter("crowdwatch_capture_broken", "Times that a live source did not answer or broke off", ["camera"])


@dataclass(frozen=True)
class CaptureOptions:
    """How one source is captured.

    Attributes:
        fps: frames a second at most; all of them when None.
        still_fps: frames a second while nothing moves; None for no difference.
        ignored: where motion does not count for that.
        loop: start a file anew at its end.
        max_age_ms: a frame that waits longer for its worker is answered `skipped`.
        pace: play files in real time; otherwise as fast as Kafka takes them.
    """

    fps: float | None = None
    loop: bool = False
    max_age_ms: int | None = None
    pace: bool = True
    still_fps: float | None = None
    ignored: tuple[Outline, ...] = ()


def checked_id(text: str) -> str:
    """Return a camera's id as it is written everywhere.

    Raises:
        ConfigurationError: it breaks the rule for ids.
    """
    try:
        return camera_id(text)
    except ContractError as error:
        raise ConfigurationError(str(error)) from error


class Capture:
    """Sends one source's frames to the topic `frames`, keyed by its camera.

    `frame_id` starts at the milliseconds since 1970 at which the capture began and rises by one a frame. So it goes on
    rising after a restart, whatever was sent before (no camera makes 1,000 frames a second), without a store for it,
    and a consumer sees a gap when a record is missing.
    """

    def __init__(
        self,
        settings: Settings,
        camera_id: str,
        source: Source,
        options: CaptureOptions | None = None,
        *,
        sender: FrameSender | None = None,
    ) -> None:
        self._settings = settings
        self._camera_id = checked_id(camera_id)
        self._source = source
        self._options = options or CaptureOptions()
        self._sender = FramesProducer(settings, linger_ms=5) if sender is None else sender
        self._next_frame_id = time.time_ns() // 1_000_000
        self._waiting: deque[Future[SourceOffset]] = deque()
        self._taken = self._acknowledged = 0
        self._told = -_TELL_S
        still_fps = self._options.still_fps
        self._sampling = None if still_fps is None else Sampling(still_fps, self._still, self._options.ignored)
        self._health = CaptureHealth(max((1 / fps for fps in (self._options.fps, still_fps) if fps), default=0.0))

    def start(self) -> None:
        """Connect to Kafka and make the topics where they are missing.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        self._sender.start()
        self._health.kafka_answers()

    def ready(self) -> dict[str, bool]:
        """Whether Kafka took the last frame, and whether the source gives frames that can be sent."""
        return self._health.ready()

    def close(self) -> None:
        """Disconnect; what Kafka has not acknowledged by then is counted as dropped."""
        with suppress(UnavailableError):
            self._sender.flush(_FLUSH_S)
        self._settle(wait=False)
        DROPPED.labels(self._camera_id, "kafka").inc(len(self._waiting))
        self._waiting.clear()
        self._sender.close()

    @property
    def taken(self) -> int:
        """Frames handed to Kafka so far."""
        return self._taken

    @property
    def acknowledged(self) -> int:
        """Frames that Kafka has acknowledged so far."""
        return self._acknowledged

    @property
    def health(self) -> CaptureHealth:
        """How it goes."""
        return self._health

    def run(self, stop: threading.Event, count: int | None = None, timeout_s: float | None = None) -> None:
        """Capture until `stop` is set, a file ends, `count` frames were taken, or `timeout_s` has passed.

        What was taken is then acknowledged, or counted as dropped.

        Raises:
            ConfigurationError: a file holds nothing that can be read.
        """
        most = None if count is None else self._taken + count
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        limit = Limit(stop, deadline, lambda: most is not None and self._taken >= most)
        if self._source.live:
            self._run_live(limit)
        else:
            self._run_file(limit)
        with suppress(UnavailableError):
            self._sender.flush(_FLUSH_S)
        self._settle(wait=False)

    def _run_file(self, limit: Limit) -> None:
        start = datetime.now(timezone.utc)
        if not self._options.pace:  # nothing is captured in the future: a file that is sent at once ends now
            start -= timedelta(seconds=self._source.duration_s())
        playing_since, thinning, offset_s = time.monotonic(), Thinning(self._options.fps), 0.0
        while not limit.reached():
            at_s, step_s = None, 1 / (self._options.fps or FOLDER_FPS)
            tried = usable = False
            for grab in self._source.grabs(self._damaged):
                self._health.beat("sender")
                step_s = step_s if at_s is None else offset_s + grab.at_s - at_s
                at_s = offset_s + grab.at_s
                if not thinning.wants(at_s) or not self._samples(at_s, grab):
                    continue
                if self._options.pace:
                    late_s = time.monotonic() - playing_since - at_s
                    self._health.beat("sender", -late_s)
                    limit.wait(-late_s)
                    if late_s > _LATE_S:  # Kafka was away: play on from here, as after a pause
                        playing_since += late_s
                        start += timedelta(seconds=late_s)
                if limit.reached():
                    return
                tried, picture = True, self._encode(grab)
                if picture is not None:
                    usable = True
                    self._health.connected()
                    captured_at = min(start + timedelta(seconds=at_s), datetime.now(timezone.utc))
                    self._send_surely(picture, captured_at, limit)
            if at_s is None or (tried and not usable):
                reason = self._health.trouble or "none can be decoded"
                raise ConfigurationError(f"{self._source.name} gives no frame: {reason}")
            if not self._options.loop:
                return
            offset_s = at_s + step_s

    def _run_live(self, limit: Limit) -> None:
        newest = Newest()
        enough = threading.Event()
        reader = threading.Thread(
            target=self._keep_reading, args=(newest, enough), name=f"capture-{self._camera_id}", daemon=True
        )
        reader.start()
        try:
            while not limit.reached():
                self._health.beat("sender")
                taken = newest.take(_POLL_S)
                self._settle(wait=False)
                if taken is None:
                    if not reader.is_alive():
                        raise UnavailableError(f"{self._source.name} is no longer read")
                    continue
                if len(self._waiting) >= MOST_UNACKNOWLEDGED:
                    self._health.refused("Kafka acknowledges no frames")
                    self._drop("kafka")
                    continue
                grab, arrived_at = taken
                picture = self._encode(grab)
                if picture is None:
                    continue
                try:
                    self._send(picture, grab.sent_at or arrived_at, arrived_at)
                except UnavailableError as error:
                    log.warning("%s", error)
                    self._drop("kafka")
        finally:
            enough.set()
            reader.join(_PARTING_S)  # one that waits for a silent camera ends when its own time is over

    def _keep_reading(self, newest: Newest, enough: threading.Event) -> None:
        """Read a live source, and connect again for as long as it takes; runs in a thread of its own."""
        backoff, thinning, jitter = Backoff(), Thinning(self._options.fps), random.SystemRandom()
        while not enough.is_set():
            connected = time.monotonic()
            self._health.beat("reader")
            try:
                for grab in self._source.grabs(self._damaged):
                    self._health.beat("reader")
                    if self._health.connected():
                        log.info("%s gives frames", self._source.name)
                    if enough.is_set():
                        return
                    now_s, arrived_at = time.monotonic(), datetime.now(timezone.utc)
                    if thinning.wants(now_s) and self._samples(now_s, grab) and newest.offer(grab, arrived_at):
                        self._drop("late")
                raise UnavailableError(f"{self._source.name} ended")
            except Exception as error:  # whatever a decoder throws: a camera must not fall silent
                reason = str(error) if isinstance(error, CrowdwatchError) else failure(error)
                self._health.broke(reason)
                BROKEN.labels(self._camera_id).inc()
                if time.monotonic() - connected > _STEADY_S:
                    backoff.reset()
                wait_s = backoff.next_s() * jitter.uniform(0.5, 1.0)
                log.warning("%s: %s; next attempt in %.1f s", self._source.name, reason, wait_s)
                enough.wait(wait_s)

    def _send_surely(self, picture: EncodedPicture, captured_at: datetime, limit: Limit) -> None:
        """Send a frame of a file, however long Kafka is away."""
        backoff = Backoff()
        while not limit.reached():
            self._health.beat("sender")
            self._settle(wait=len(self._waiting) >= MOST_UNACKNOWLEDGED)
            if len(self._waiting) >= MOST_UNACKNOWLEDGED:
                continue
            try:
                self._send(picture, captured_at, captured_at)
            except UnavailableError as error:
                log.warning("%s", error)
                limit.wait(backoff.next_s())
            else:
                return

    def _encode(self, grab: Grab) -> EncodedPicture | None:
        """Return the picture of a frame. One that cannot be made, or is too large, is counted and left out: None."""
        try:
            picture = grab.encode()
        except Exception as error:  # whatever an encoder throws: the next frame may be better
            reason = str(error) if isinstance(error, CrowdwatchError) else failure(error)
            self._health.unusable(f"a frame cannot be encoded: {reason}")
            self._drop("damaged")
            self._say(f"a frame cannot be encoded: {reason}")
            return None
        size, most = len(picture.data), self._settings.max_picture_bytes
        if size > most:
            self._health.unusable(f"a picture has {size} bytes; max_picture_bytes is {most}")
            self._drop("too_large")
            self._say(f"a picture has {size} bytes; max_picture_bytes is {most}")
            return None
        return picture

    def _send(self, picture: EncodedPicture, captured_at: datetime, arrived_at: datetime) -> None:
        """Hand a picture to Kafka; raises UnavailableError when there is no room for it.

        Its maximum age counts from its arrival: a camera whose clock is behind is not late for that.
        """
        max_age_ms = self._options.max_age_ms
        if max_age_ms is not None:
            max_age_ms += max(0, round((arrived_at - captured_at).total_seconds() * 1000))
        headers = FrameHeaders(
            frame_id=self._next_frame_id,
            captured_at=captured_at,
            content_type=picture.content_type,
            origin=Origin.LIVE if self._source.live else Origin.FILE,
            max_age_ms=max_age_ms,
        )
        try:
            sent = self._sender.send_frame(self._settings.topic_frames, self._camera_id, picture.data, headers)
        except UnavailableError as error:
            self._health.refused(str(error))
            raise
        self._waiting.append(sent)
        self._next_frame_id += 1
        self._taken += 1

    def _settle(self, *, wait: bool) -> None:
        """Count what Kafka has answered; with `wait`, give the oldest frame a moment to be answered."""
        if wait and self._waiting:
            with suppress(FutureTimeoutError, UnavailableError):
                self._waiting[0].result(_POLL_S)
        while self._waiting and self._waiting[0].done():
            error = self._waiting.popleft().exception()
            if error is None:
                self._health.acknowledged()
                self._acknowledged += 1
                FRAMES.labels(self._camera_id).inc()
            else:
                log.warning("%s", error)
                self._health.refused(str(error))
                self._drop("kafka")

    def _samples(self, at_s: float, grab: Grab) -> bool:
        return self._sampling is None or self._sampling.wants(at_s, grab.preview)

    def _still(self) -> None:
        self._drop("still")

    def _drop(self, reason: str) -> None:
        DROPPED.labels(self._camera_id, reason).inc()

    def _damaged(self, what: str) -> None:
        self._health.beat("reader" if self._source.live else "sender")
        self._drop("damaged")
        self._say(what)

    def _say(self, what: str) -> None:
        if time.monotonic() - self._told > _TELL_S:  # a broken stream would fill the log
            self._told = time.monotonic()
            log.warning("%s: %s", self._source.name, what)
