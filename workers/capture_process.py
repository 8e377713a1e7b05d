"""A process that captures a few cameras, as its parent tells it: when a decoder crashes, only these are interrupted.

The parent writes lines of JSON: `{"capture": {camera document}}` to begin (or begin anew), `{"drop": id}` to end. The
process answers twice a second with one line: `{"cameras": {id: {"live", "taken", "fps", "error"}}}`. It ends with its
parent, or when nothing more is to be read.
"""

import ctypes
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, TextIO

from contracts.cameras import Camera
from contracts.errors import CrowdwatchError, UnavailableError
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.producer import Producer
from settings import Settings
from settings.logs import configure_logging
from workers.capture import Capture, CaptureOptions
from workers.capture_addresses import camera_source
from workers.runner import Backoff

log = logging.getLogger(__name__)

_REPORT_EVERY_S = 0.5
_FPS_WINDOW = 10
_PARTING_S = 3.0
_PR_SET_PDEATHSIG = 1


class SharedProducer:
    """The process's one producer, lent to each capture: starting and closing it is not theirs."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def start(self) -> None:
        """As `FrameSender.start`: it is connected already."""

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        """As `FrameSender.send_frame`."""
        return self._producer.send_frame(topic, camera_id, picture, headers)

    def flush(self, timeout_s: float) -> None:
        """As `FrameSender.flush`."""
        self._producer.flush(timeout_s)

    def close(self) -> None:
        """As `FrameSender.close`: others still need it."""


class CameraThread:
    """The capture of one camera, in a thread of its own, begun again for as long as it takes."""

    def __init__(self, settings: Settings, camera: Camera, producer: Producer) -> None:
        assert camera.source is not None
        self._settings = settings
        self._camera_id = camera.camera_id
        self._url = camera.source.url
        self._options = CaptureOptions(fps=camera.source.fps, loop=True, max_age_ms=camera.max_age_ms)
        self._producer = producer
        self._stop = threading.Event()
        self._capture: Capture | None = None
        self._trouble: str | None = None
        self._taken_before = 0
        self._counts: deque[tuple[float, int]] = deque(maxlen=_FPS_WINDOW)
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.camera_id}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ask it to end."""
        self._stop.set()

    def join(self) -> None:
        """Wait a moment for its end."""
        self._thread.join(_PARTING_S)

    def report(self) -> dict[str, Any]:
        """Return how it goes."""
        capture, taken = self._capture, self._taken_before
        live, trouble = False, self._trouble
        if capture is not None:
            taken += capture.taken
            live, trouble = capture.ready()["source"], capture.trouble or trouble
        self._counts.append((time.monotonic(), taken))
        (then_s, before), (now_s, after) = self._counts[0], self._counts[-1]
        fps = (after - before) / (now_s - then_s) if now_s > then_s else 0.0
        return {"live": live, "taken": taken, "fps": fps, "error": None if live else trouble}

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                source = camera_source(self._settings, self._url)
                self._capture = Capture(
                    self._settings, self._camera_id, source, self._options, sender=SharedProducer(self._producer)
                )
                self._capture.start()
                self._trouble = None
                self._capture.run(self._stop)
            except CrowdwatchError as error:
                log.warning("%s: %s", self._camera_id, error)
                self._trouble = str(error)
            if self._capture is not None:
                self._taken_before += self._capture.taken
                self._capture = None
            self._stop.wait(backoff.next_s())


class CaptureProcess:
    """The cameras of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = Producer(settings, linger_ms=5)
        self._lock = threading.Lock()
        self._threads: dict[str, CameraThread] = {}
        self._stop = threading.Event()

    def run(self, orders: TextIO, answers: TextIO) -> None:
        """Connect, and do as the orders say until there are no more."""
        backoff = Backoff()
        while True:
            try:
                ensure_topics(self._settings)
                self._producer.start()
                break
            except UnavailableError as error:
                log.warning("waiting: %s", error)
                time.sleep(backoff.next_s())
        reporter = threading.Thread(target=self._report, args=(answers,), name="reports", daemon=True)
        reporter.start()
        for line in orders:
            self._obey(json.loads(line))
        self._stop.set()
        reporter.join()
        for thread in self._threads.values():
            thread.end()
        for thread in self._threads.values():
            thread.join()
        self._producer.close()

    def _obey(self, order: Mapping[str, Any]) -> None:
        with self._lock:
            camera = Camera.from_dict(order["capture"]) if "capture" in order else None
            camera_id = order["drop"] if camera is None else camera.camera_id
            running = self._threads.pop(camera_id, None)
            if running is not None:
                running.end()
            if camera is not None:
                self._threads[camera_id] = CameraThread(self._settings, camera, self._producer)

    def _report(self, answers: TextIO) -> None:
        while not self._stop.wait(_REPORT_EVERY_S):
            with self._lock:
                cameras = {camera_id: thread.report() for camera_id, thread in self._threads.items()}
            answers.write(json.dumps({"cameras": cameras}) + "\n")
            answers.flush()


def die_with_parent() -> None:
    """Have the kernel end this process when its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Capture as told on the standard input."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent ends it
    settings = Settings.from_environment()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not be taken for an answer
    configure_logging(settings, "capture")
    CaptureProcess(settings).run(sys.stdin, answers)


if __name__ == "__main__":
    main()
