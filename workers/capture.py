"""The capture role: one source's frames into the log, each with its time.

A file is played at its own pace and every frame of it is sent. A live source is never held up: a reader thread keeps
the newest frame only, and what nobody took in time is counted and gone.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol

from prometheus_client import Counter

from contracts.errors import ConfigurationError, CrowdwatchError, UnavailableError
from contracts.frames import FrameHeaders, Origin
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.producer import Producer
from settings import Settings
from workers.capture_sources import FOLDER_FPS, Grab, Source
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
    "Frames that were not sent; reason: late (a newer one came), kafka (it took none), damaged, too_large",
    ["camera", "reason"],
)
BROKEN = Counter("crowdwatch_capture_broken", "Times that a live source did not answer or broke off", ["camera"])


class FrameSender(Protocol):
    """The part of `messaging.producer.Producer` that capture needs."""

    def start(self) -> None:
        """Connect."""

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        """Hand over a picture; the future tells its place in the log."""

    def flush(self, timeout_s: float) -> None:
        """Wait until all that was sent is acknowledged."""

    def close(self) -> None:
        """Disconnect."""


class _Frames(Producer):
    """The producer, with the topics made where they are missing."""

    def start(self) -> None:
        ensure_topics(self._settings)
        super().start()


@dataclass(frozen=True)
class CaptureOptions:
    """How one source is captured.

    Attributes:
        fps: frames a second at most; all of them when None.
        loop: start a file anew at its end.
        max_age_ms: a frame that waits longer for its worker is answered `skipped`.
        pace: play files in real time; otherwise as fast as Kafka takes them.
    """

    fps: float | None = None
    loop: bool = False
    max_age_ms: int | None = None
    pace: bool = True


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
        if not camera_id.strip():
            raise ConfigurationError("a camera needs an id that is not empty")
        self._settings = settings
        self._camera_id = camera_id
        self._source = source
        self._options = options or CaptureOptions()
        self._sender = _Frames(settings, linger_ms=5) if sender is None else sender
        self._next_frame_id = time.time_ns() // 1_000_000
        self._waiting: deque[Future[SourceOffset]] = deque()
        self._taken = 0
        self._told = -_TELL_S
        self._healthy = {"kafka": False, "source": False}
        self._trouble: str | None = None

    def start(self) -> None:
        """Connect to Kafka and make the topics where they are missing.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        self._sender.start()
        self._healthy["kafka"] = True

    def ready(self) -> dict[str, bool]:
        """Whether Kafka took the last frame, and whether the source gives frames."""
        return dict(self._healthy)

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
    def trouble(self) -> str | None:
        """Why a live source gives no frames at the moment, without its password; None while it does."""
        return None if self._healthy["source"] else self._trouble

    def run(self, stop: threading.Event, count: int | None = None, timeout_s: float | None = None) -> None:
        """Capture until `stop` is set, a file ends, `count` frames were taken, or `timeout_s` has passed.

        What was taken is then acknowledged, or counted as dropped.

        Raises:
            ConfigurationError: a file holds nothing that can be read.
        """
        most = None if count is None else self._taken + count
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        limit = _Limit(stop, deadline, lambda: most is not None and self._taken >= most)
        if self._source.live:
            self._run_live(limit)
        else:
            self._run_file(limit)
        with suppress(UnavailableError):
            self._sender.flush(_FLUSH_S)
        self._settle(wait=False)

    def _run_file(self, limit: "_Limit") -> None:
        start = datetime.now(timezone.utc)
        if not self._options.pace:  # nothing is captured in the future: a file that is sent at once ends now
            start -= timedelta(seconds=self._source.duration_s())
        playing_since, thinning, offset_s = time.monotonic(), Thinning(self._options.fps), 0.0
        while not limit.reached():
            at_s, step_s = None, 1 / (self._options.fps or FOLDER_FPS)
            for grab in self._source.grabs(self._damaged):
                step_s = step_s if at_s is None else offset_s + grab.at_s - at_s
                at_s = offset_s + grab.at_s
                if not thinning.wants(at_s):
                    continue
                if self._options.pace:
                    late_s = time.monotonic() - playing_since - at_s
                    limit.wait(-late_s)
                    if late_s > _LATE_S:  # Kafka was away: play on from here, as after a pause
                        playing_since += late_s
                        start += timedelta(seconds=late_s)
                if limit.reached():
                    return
                self._healthy["source"] = True
                self._send_surely(grab, start + timedelta(seconds=at_s), limit)
            if at_s is None:
                raise ConfigurationError(f"no frame of {self._source.name} can be decoded")
            if not self._options.loop:
                return
            offset_s = at_s + step_s

    def _run_live(self, limit: "_Limit") -> None:
        newest = Newest()
        enough = threading.Event()
        reader = threading.Thread(
            target=self._keep_reading, args=(newest, enough), name=f"capture-{self._camera_id}", daemon=True
        )
        reader.start()
        try:
            while not limit.reached():
                taken = newest.take(_POLL_S)
                if taken is None:
                    continue
                self._settle(wait=False)
                if len(self._waiting) >= MOST_UNACKNOWLEDGED:
                    self._drop("kafka")
                    continue
                grab, captured_at = taken
                try:
                    self._send(grab, captured_at)
                except UnavailableError as error:
                    log.warning("%s", error)
                    self._drop("kafka")
        finally:
            enough.set()
            reader.join(_PARTING_S)  # one that waits for a silent camera ends when its own time is over

    def _keep_reading(self, newest: "Newest", enough: threading.Event) -> None:
        """Read a live source, and connect again for as long as it takes; runs in a thread of its own."""
        backoff, thinning, jitter = Backoff(), Thinning(self._options.fps), random.SystemRandom()
        while not enough.is_set():
            connected = time.monotonic()
            try:
                for grab in self._source.grabs(self._damaged):
                    if not self._healthy["source"]:
                        log.info("%s gives frames", self._source.name)
                        self._healthy["source"] = True
                    if enough.is_set():
                        return
                    if thinning.wants(time.monotonic()) and newest.offer(grab, datetime.now(timezone.utc)):
                        self._drop("late")
            except Exception as error:  # whatever a decoder throws: a camera must not fall silent
                self._healthy["source"] = False
                self._trouble = str(error) if isinstance(error, CrowdwatchError) else type(error).__name__
                BROKEN.labels(self._camera_id).inc()
                if time.monotonic() - connected > _STEADY_S:
                    backoff.reset()
                wait_s = backoff.next_s() * jitter.uniform(0.5, 1.0)
                log.warning(
                    "%s; next attempt in %.1f s", error, wait_s, exc_info=not isinstance(error, CrowdwatchError)
                )
                enough.wait(wait_s)

    def _send_surely(self, grab: Grab, captured_at: datetime, limit: "_Limit") -> None:
        """Send a frame of a file, however long Kafka is away."""
        backoff = Backoff()
        while not limit.reached():
            self._settle(wait=len(self._waiting) >= MOST_UNACKNOWLEDGED)
            if len(self._waiting) >= MOST_UNACKNOWLEDGED:
                continue
            try:
                self._send(grab, captured_at)
            except UnavailableError as error:
                log.warning("%s", error)
                limit.wait(backoff.next_s())
            else:
                return

    def _send(self, grab: Grab, captured_at: datetime) -> None:
        """Encode a frame and hand it to Kafka; raises UnavailableError when there is no room for it."""
        picture = grab.encode()
        if len(picture.data) > self._settings.max_picture_bytes:
            log.warning("a picture of %d bytes is larger than max_picture_bytes", len(picture.data))
            self._drop("too_large")
            return
        headers = FrameHeaders(
            frame_id=self._next_frame_id,
            captured_at=captured_at,
            content_type=picture.content_type,
            origin=Origin.LIVE if self._source.live else Origin.FILE,
            max_age_ms=self._options.max_age_ms,
        )
        try:
            sent = self._sender.send_frame(self._settings.topic_frames, self._camera_id, picture.data, headers)
        except UnavailableError:
            self._healthy["kafka"] = False
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
            self._healthy["kafka"] = error is None
            if error is None:
                FRAMES.labels(self._camera_id).inc()
            else:
                log.warning("%s", error)
                self._drop("kafka")

    def _drop(self, reason: str) -> None:
        DROPPED.labels(self._camera_id, reason).inc()

    def _damaged(self, what: str) -> None:
        self._drop("damaged")
        if time.monotonic() - self._told > _TELL_S:  # a broken stream would fill the log
            self._told = time.monotonic()
            log.warning("%s: %s", self._source.name, what)


class Thinning:
    """Lets so many frames a second pass, by their time, evenly."""

    def __init__(self, fps: float | None) -> None:
        self._interval_s = 0.0 if fps is None else 1 / fps
        self._next_s: float | None = None

    def wants(self, at_s: float) -> bool:
        """Whether the frame of this time is one to keep; times must not fall."""
        if self._next_s is None or at_s - self._next_s > self._interval_s:
            self._next_s = at_s
        if at_s < self._next_s - 1e-6:
            return False
        self._next_s += self._interval_s
        return True


class Newest:
    """A place for one frame: a newer one replaces it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: tuple[Grab, datetime] | None = None

    def offer(self, grab: Grab, captured_at: datetime) -> bool:
        """Put a frame here; returns whether that pushed out one that nobody took."""
        with self._changed:
            replaced = self._held is not None
            self._held = (grab, captured_at)
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float) -> tuple[Grab, datetime] | None:
        """Take the frame, waiting for one for `timeout_s`; None when none came."""
        with self._changed:
            self._changed.wait_for(lambda: self._held is not None, timeout_s)
            held, self._held = self._held, None
            return held


@dataclass(frozen=True)
class _Limit:
    """When a run is over."""

    stop: threading.Event
    deadline: float | None
    enough: Callable[[], bool]

    def reached(self) -> bool:
        """Whether it is over now."""
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return self.stop.is_set() or late or self.enough()

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        if self.deadline is not None:
            seconds = min(seconds, self.deadline - time.monotonic())
        if seconds > 0:
            self.stop.wait(seconds)
