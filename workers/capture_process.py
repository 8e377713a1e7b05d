"""A process that captures a few cameras, as its parent tells it: when a decoder crashes, only these are interrupted.

The parent writes lines of JSON: `{"capture": {camera document}}` to begin (or begin anew), `{"drop": id}` to end. The
process answers twice a second with one line: `{"cameras": {id: {"live", "taken", "fps", "error"}}, "orders": how many
were read}`. It ends with its parent, when nothing more is to be read, or when the capture of a camera hangs.
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
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TextIO

from contracts.cameras import Camera
from contracts.errors import CrowdwatchError
from messaging.admin import ensure_topics
from messaging.producer import Producer
from settings import Settings
from settings.logs import configure_logging
from workers.capture import Capture, CaptureOptions
from workers.capture_addresses import camera_source
from workers.capture_health import failure
from workers.capture_sender import FrameSender, SharedProducer
from workers.runner import Backoff

log = logging.getLogger(__name__)

_REPORT_EVERY_S = 0.5
_FPS_WINDOW = 10
_REASON_CHARS = 500
_PARTING_S = 3.0
_STEADY_S = 10.0
_STUCK_S = 120.0
"""FFmpeg and Kafka give up sooner; whoever has not come back by then never will."""

HANGS = 3
"""Exit code of a process in which the capture of a camera hangs."""

_PR_SET_PDEATHSIG = 1


class CameraThread:
    """The capture of one camera, in a thread of its own, begun again for as long as it takes."""

    def __init__(self, settings: Settings, camera: Camera, sender: FrameSender) -> None:
        assert camera.source is not None
        self._settings = settings
        self._camera_id = camera.camera_id
        self._source = camera.source
        self._options = CaptureOptions(
            fps=camera.source.fps,
            loop=True,
            max_age_ms=camera.max_age_ms,
            still_fps=camera.source.still_fps,
            ignored=tuple(zone.polygon for zone in camera.zones),
        )
        self._sender = sender
        self._stop = threading.Event()
        self._capture: Capture | None = None
        self._trouble: str | None = None
        self._sent_before = 0
        self._counts: deque[tuple[float, int]] = deque(maxlen=_FPS_WINDOW)
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.camera_id}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ask it to end."""
        self._stop.set()

    def join(self) -> None:
        """Wait a moment for its end."""
        self._thread.join(_PARTING_S)

    def hangs(self) -> bool:
        """Whether it will not capture any more: its thread is dead, or one of its threads does not come back."""
        capture = self._capture
        if self._stop.is_set():
            return False
        return not self._thread.is_alive() or (capture is not None and capture.health.stalled_s() > _STUCK_S)

    def report(self) -> dict[str, Any]:
        """Return how it goes."""
        capture, sent = self._capture, self._sent_before
        live, trouble = False, self._trouble
        if capture is not None:
            sent += capture.acknowledged
            live, trouble = capture.health.live, capture.health.trouble or trouble
        self._counts.append((time.monotonic(), sent))
        (then_s, before), (now_s, after) = self._counts[0], self._counts[-1]
        fps = (after - before) / (now_s - then_s) if now_s > then_s else 0.0
        return {
            "live": live,
            "taken": sent,
            "fps": fps,
            "error": None if live or trouble is None else trouble[:_REASON_CHARS],
        }

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                self._run_once()
            except CrowdwatchError as error:
                self._trouble = str(error)
            except Exception as error:  # whatever it is: a camera must not fall silent
                self._trouble = f"its capture broke: {failure(error)}"
            if self._trouble is not None:
                log.warning("%s: %s", self._camera_id, self._trouble)
            if self._capture is not None:
                self._sent_before += self._capture.acknowledged
                self._capture = None
            if time.monotonic() - began_s > _STEADY_S:
                backoff.reset()
            self._stop.wait(backoff.next_s())

    def _run_once(self) -> None:
        capture = Capture(
            self._settings,
            self._camera_id,
            camera_source(self._settings, self._source.url, self._source.transport),
            self._options,
            sender=self._sender,
        )
        capture.start()
        self._capture, self._trouble = capture, None
        capture.run(self._stop)


class CaptureProcess:
    """The cameras of one process. `end` is called when one of them cannot be captured here any more."""

    def __init__(self, settings: Settings, end: Callable[[int], None] = os._exit) -> None:
        self._settings = settings
        self._end = end
        self._producer = Producer(settings, linger_ms=5)
        self._sender = SharedProducer(self._producer)
        self._lock = threading.Lock()
        self._threads: dict[str, CameraThread] = {}
        self._obeyed = 0
        self._stop = threading.Event()

    def run(self, orders: BinaryIO, answers: TextIO) -> None:
        """Do as the orders say until there are no more."""
        threads = [
            threading.Thread(target=self._connect, name="connect", daemon=True),
            threading.Thread(target=self._report, args=(answers,), name="reports", daemon=True),
        ]
        for thread in threads:
            thread.start()
        for line in orders:
            try:
                self._obey(json.loads(line))
            except Exception as error:  # whatever a decoder throws: the other cameras have done nothing
                log.warning("an order cannot be read: %s", failure(error))
            self._obeyed += 1
        self._stop.set()
        for thread in threads:
            thread.join(_PARTING_S)
        for camera in self._threads.values():
            camera.end()
        for camera in self._threads.values():
            camera.join()
        self._producer.close()

    def _connect(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                ensure_topics(self._settings)
                self._producer.start()
            except Exception as error:  # whatever it is: the cameras wait for it
                log.warning("waiting: %s", error if isinstance(error, CrowdwatchError) else failure(error))
                self._stop.wait(backoff.next_s())
            else:
                self._sender.connected.set()
                return

    def _obey(self, order: Mapping[str, Any]) -> None:
        camera = Camera.from_dict(order["capture"]) if "capture" in order else None
        camera_id = order["drop"] if camera is None else camera.camera_id
        with self._lock:
            running = self._threads.pop(camera_id, None)
            if running is not None:
                running.end()
            if camera is not None:
                self._threads[camera_id] = CameraThread(self._settings, camera, self._sender)

    def _report(self, answers: TextIO) -> None:
        """Report until the end. A process that cannot is of no use: its parent begins another."""
        try:
            while not self._stop.wait(_REPORT_EVERY_S):
                with self._lock:
                    threads = dict(self._threads)
                hanging = [camera_id for camera_id, thread in threads.items() if thread.hangs()]
                if hanging:
                    log.error("the capture of %s hangs: its process ends", ", ".join(hanging))
                    self._end(HANGS)
                cameras = {camera_id: thread.report() for camera_id, thread in threads.items()}
                answers.write(json.dumps({"cameras": cameras, "orders": self._obeyed}) + "\n")
                answers.flush()
        except Exception as error:  # whatever it is
            log.error("no reports can be given: %s", failure(error))
            self._end(HANGS)


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
    CaptureProcess(settings).run(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
