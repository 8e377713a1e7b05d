"""One process that captures, as its parent sees it. Nothing here waits for it, except the end of the role."""

import json
import logging
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.cameras import Camera
from settings import Settings
from workers.capture_health import failure

log = logging.getLogger(__name__)

DEAF_S = 30.0
"""A process that reports nothing, or reads no order, for so long is killed. Its start is counted in."""

_STALE_S = 5.0
_MOST_WAITING_BYTES = 1024 * 1024
_MOST_REPORT_BYTES = 1024 * 1024
_STOP_WITHIN_S, _PARTING_S = 15.0, 1.0


@dataclass(frozen=True)
class Report:
    """How the capture of a camera goes, as its process says.

    Attributes:
        live: whether frames are sent.
        taken: how many went into the log since its process began with it.
        fps: of the last seconds.
        error: why none are sent.
    """

    live: bool
    taken: int
    fps: float
    error: str | None


def for_capture(camera: Camera) -> Camera:
    """Return what of a camera's document concerns its capture; changes of the rest do not interrupt it."""
    still = camera.source is not None and camera.source.still_fps is not None
    zones = tuple(zone for zone in camera.zones if still and "ignore" in zone.roles)
    return Camera(camera.camera_id, source=camera.source, max_age_ms=camera.max_age_ms, zones=zones)


class CaptureChild:
    """A child process with its cameras. Orders are queued and written as it reads them."""

    def __init__(
        self,
        settings: Settings,
        command: Sequence[str],
        *,
        alone: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start it. One that is `alone` gets one camera."""
        self.alone = alone
        self.cameras: dict[str, Camera] = {}
        self.reports: Mapping[str, Report] = {}
        self._clock = clock
        self.since_s = self._heard_s = clock()
        self._ends_at_s: float | None = None
        self._waiting = bytearray()
        self._ordered_s: deque[float] = deque()
        """When each order was given that the process has not read yet."""

        self._obeyed = self._known = 0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | settings.to_environment(),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._in = self._process.stdin.fileno()
        os.set_blocking(self._in, False)
        self._reader = threading.Thread(target=self._read, name=f"capture-{self._process.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def report(self, camera_id: str) -> Report | None:
        """Return how a camera goes, None when it has not said so yet. A report of a while ago says nothing of now."""
        report, silent_s = self.reports.get(camera_id), self._clock() - self._heard_s
        if report is None or silent_s <= _STALE_S:
            return report
        return Report(False, report.taken, 0.0, f"the process that reads this camera said nothing for {silent_s:.0f} s")

    def died(self) -> int | None:
        """Return its exit code (negative: the signal that killed it), None while it lives."""
        return self._process.poll()

    def begin(self, camera: Camera) -> None:
        """Have it capture a camera."""
        self.cameras[camera.camera_id] = camera
        self._order({"capture": for_capture(camera).to_dict()})

    def drop(self, camera_id: str) -> None:
        """Have it no longer capture a camera."""
        del self.cameras[camera_id]
        self._order({"drop": camera_id})

    def forgive(self) -> None:
        """Begin its time anew: it was the parent that stood still."""
        now_s = self._clock()
        self._heard_s = now_s
        self._ordered_s = deque(now_s for _ in self._ordered_s)

    def push(self) -> str | None:
        """Write what it takes of the orders; return why it is of no use any more, None while it is."""
        self._write()
        now_s = self._clock()
        if len(self._waiting) > _MOST_WAITING_BYTES:
            return f"it left {len(self._waiting)} bytes of orders unread"
        if self._ordered_s and now_s - self._ordered_s[0] > DEAF_S:
            return f"it read no order for {DEAF_S:g} s"
        if now_s - self._heard_s > DEAF_S:
            return f"it reported nothing for {DEAF_S:g} s"
        return None

    def ask_to_end(self) -> None:
        """Tell it that nothing more comes; `ended` says when it is gone."""
        self._ends_at_s = self._clock() + _STOP_WITHIN_S
        self._close_orders()

    def ended(self) -> bool:
        """Whether it is gone. One that was asked to end, and has not in time, is killed."""
        if self.died() is None:
            if self._ends_at_s is not None and self._clock() >= self._ends_at_s:
                self.kill()
            return False
        self._close_orders()
        self._reader.join(_PARTING_S)
        return True

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    def end(self) -> None:
        """Wait for its end, and make one if need be."""
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._reader.join()

    def _order(self, order: Mapping[str, Any]) -> None:
        self._waiting += json.dumps(order).encode() + b"\n"
        self._ordered_s.append(self._clock())
        self._write()

    def _write(self) -> None:
        while self._ordered_s and self._known < self._obeyed:
            self._ordered_s.popleft()
            self._known += 1
        assert self._process.stdin is not None
        while self._waiting and not self._process.stdin.closed:
            try:
                written = os.write(self._in, self._waiting)
            except BlockingIOError:  # the pipe is full: the rest follows with the next look
                return
            except OSError:  # it died: its cameras are captured by another, with the next look
                self._waiting.clear()
                return
            del self._waiting[:written]

    def _close_orders(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass

    def _read(self) -> None:
        """Follow its reports. What is none ends nothing: a process that gives no others is killed in time."""
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            while line := answers.readline(_MOST_REPORT_BYTES):
                try:
                    said = json.loads(line)
                    reports = {str(camera_id): Report(**fields) for camera_id, fields in said["cameras"].items()}
                    obeyed = int(said["orders"])
                except Exception as error:  # whatever a decoder throws
                    log.warning("a report of process %d cannot be read: %s", self._process.pid, failure(error))
                    continue
                self.reports, self._obeyed, self._heard_s = reports, obeyed, self._clock()
