"""The processes that capture, as their parent sees them: each holds a few cameras, and one that crashes is replaced.

Which camera crashed a process cannot be told from outside. So each camera of a process that died is given a process of
its own from then on: the one that crashes again is alone in it, and waits longer each time.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.cameras import Camera
from settings import Settings

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "workers.capture_process")
CAMERAS_IN_ONE = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_STEADY_S = 120.0
_STOP_WITHIN_S = 15.0


@dataclass(frozen=True)
class Report:
    """How the capture of a camera goes, as its process says.

    Attributes:
        live: whether frames come.
        taken: how many went into the log since its process began with it.
        fps: of the last seconds.
        error: why none come.
    """

    live: bool
    taken: int
    fps: float
    error: str | None


class _Child:
    """One process that captures."""

    def __init__(self, settings: Settings, alone: bool) -> None:
        self.alone = alone
        self.cameras: dict[str, Camera] = {}
        self.reports: Mapping[str, Report] = {}
        self.since_s = time.monotonic()
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | settings.to_environment(),
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"capture-{self._process.pid}", daemon=True)
        self._reader.start()

    def died(self) -> int | None:
        """Return its exit code (negative: the signal that killed it), None while it lives."""
        return self._process.poll()

    def begin(self, camera: Camera) -> None:
        """Have it capture a camera."""
        self.cameras[camera.camera_id] = camera
        self._write({"capture": camera.to_dict()})

    def drop(self, camera_id: str) -> None:
        """Have it no longer capture a camera."""
        del self.cameras[camera_id]
        self._write({"drop": camera_id})

    def ask_to_end(self) -> None:
        """Tell it that nothing more comes."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    def end(self) -> None:
        """Wait for its end, and make one if need be."""
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _write(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:  # it died: its cameras are captured by another, with the next look
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                cameras = json.loads(line)["cameras"]
            except ValueError:  # it died within a line
                return
            self.reports = {camera_id: Report(**fields) for camera_id, fields in cameras.items()}


@dataclass
class _Suspicion:
    """A camera that was there when a process died: it is captured alone, and not before a while has passed."""

    not_before_s: float
    pause_s: float = field(default=_FIRST_PAUSE_S)


class CaptureChildren:
    """Captures the cameras it is told to, in as many processes as that takes. Not for several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: list[_Child] = []
        self._suspicions: dict[str, _Suspicion] = {}
        self._crashes: dict[str, str] = {}

    def capture(self, cameras: Mapping[str, Camera]) -> None:
        """Capture these cameras and no others; call it again and again, it also replaces what has died."""
        self._bury_dead()
        for child in self._children:
            for camera_id, running in list(child.cameras.items()):
                wanted = cameras.get(camera_id)
                if wanted is None:
                    child.drop(camera_id)
                elif _what_matters(wanted) != _what_matters(running):
                    child.begin(wanted)
        for camera_id in self._suspicions.keys() - cameras.keys():  # taken off and put back: a new chance
            del self._suspicions[camera_id]
            self._crashes.pop(camera_id, None)
        running_ids = {camera_id for child in self._children for camera_id in child.cameras}
        for camera_id, camera in cameras.items():
            if camera_id not in running_ids:
                self._begin(camera)
        for child in [child for child in self._children if not child.cameras]:
            child.ask_to_end()
            child.end()
            self._children.remove(child)

    def reports(self) -> dict[str, Report]:
        """Return what is known of each camera that is captured; nothing of one whose process only starts."""
        found = {camera_id: Report(False, 0, 0.0, reason) for camera_id, reason in self._crashes.items()}
        for child in self._children:
            found |= {camera_id: report for camera_id, report in child.reports.items() if camera_id in child.cameras}
        return found

    def close(self) -> None:
        """End all processes."""
        for child in self._children:
            child.ask_to_end()
        for child in self._children:
            child.end()
        self._children.clear()

    def _begin(self, camera: Camera) -> None:
        suspicion = self._suspicions.get(camera.camera_id)
        if suspicion is not None and time.monotonic() < suspicion.not_before_s:
            return
        room = None
        if suspicion is None:
            with_room = (one for one in self._children if not one.alone and len(one.cameras) < CAMERAS_IN_ONE)
            room = next(with_room, None)
        if room is None:
            room = _Child(self._settings, alone=suspicion is not None)
            self._children.append(room)
        room.begin(camera)

    def _bury_dead(self) -> None:
        for child in [child for child in self._children if child.died() is not None]:
            code = child.died()
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            log.warning("a process that captured %s died: %s", ", ".join(child.cameras), how)
            steady = time.monotonic() - child.since_s > _STEADY_S
            for camera_id in child.cameras:
                before = self._suspicions.get(camera_id)
                pause_s = _FIRST_PAUSE_S if before is None or steady else min(before.pause_s * 2, _LONGEST_PAUSE_S)
                self._suspicions[camera_id] = _Suspicion(time.monotonic() + pause_s, pause_s)
                self._crashes[camera_id] = f"the process that read this camera died ({how})"
            child.ask_to_end()
            child.end()
            self._children.remove(child)


def _what_matters(camera: Camera) -> tuple[object, ...]:
    """What of a camera's document concerns its capture: other changes do not interrupt it."""
    return camera.source, camera.max_age_ms
