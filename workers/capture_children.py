"""The processes that capture, as their parent sees them: each holds a few cameras, and one that crashes is replaced.

Which camera crashed a process cannot be told from outside. So each camera of a process that died is given a process of
its own: the one that crashes again is alone in it, and waits longer each time. A camera that stays well alone shares a
process again after a while, so that one crash does not cost a process a camera for ever.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.cameras import Camera
from settings import Settings
from workers.capture_child import CaptureChild, Report, for_capture

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "workers.capture_process")
CAMERAS_IN_ONE = 8
PROBATION_S, _LONGEST_PROBATION_S = 120.0, 3600.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_STEADY_S = 120.0
_STOOD_STILL_S = 5.0


@dataclass(frozen=True)
class _Suspicion:
    """A camera that was there when a process died: it is captured alone, and not before a while has passed.

    Attributes:
        not_before_s: when it may be begun again.
        pause_s: how long it waits, longer each time.
        probation_s: how long it must stay well alone until it may share a process, longer each time.
        cleared_s: when it was allowed to share again; None while it is suspected.
    """

    not_before_s: float
    pause_s: float = _FIRST_PAUSE_S
    probation_s: float = PROBATION_S
    cleared_s: float | None = None

    def again(self, now_s: float, *, steady: bool) -> "_Suspicion":
        """Return what it is after one more death."""
        pause_s = _FIRST_PAUSE_S if steady else min(self.pause_s * 2, _LONGEST_PAUSE_S)
        long_well = self.cleared_s is not None and now_s - self.cleared_s > _LONGEST_PROBATION_S
        probation_s = PROBATION_S if long_well else min(self.probation_s * 2, _LONGEST_PROBATION_S)
        return _Suspicion(now_s + pause_s, pause_s, probation_s)


class CaptureChildren:
    """Captures the cameras it is told to, in as many processes as that takes. Not for several threads."""

    def __init__(
        self, settings: Settings, command: Sequence[str] = COMMAND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the command of a process, for which `capture_process` is the example, and a clock in seconds."""
        self._settings = settings
        self._command = command
        self._clock = clock
        self._children: list[CaptureChild] = []
        self._leaving: list[CaptureChild] = []
        """Asked to end, and still there: their cameras are begun elsewhere when they are gone."""

        self._suspicions: dict[str, _Suspicion] = {}
        self._crashes: dict[str, str] = {}
        self._looked_s = clock()

    def capture(self, cameras: Mapping[str, Camera]) -> None:
        """Capture these cameras and no others; call it again and again, it also replaces what has died.

        It waits for no process.
        """
        self._look()
        for child in self._children:
            for camera_id, running in list(child.cameras.items()):
                wanted = cameras.get(camera_id)
                if wanted is None:
                    child.drop(camera_id)
                elif for_capture(wanted) != for_capture(running):
                    child.begin(wanted)
        for camera_id in self._suspicions.keys() - cameras.keys():  # taken off and put back: a new chance
            del self._suspicions[camera_id]
            self._crashes.pop(camera_id, None)
        self._clear_one()
        running_ids = {camera_id for child in self._children + self._leaving for camera_id in child.cameras}
        for camera_id, camera in cameras.items():
            if camera_id not in running_ids:
                self._begin(camera)
        for child in [child for child in self._children if not child.cameras]:
            self._dismiss(child)

    def reports(self) -> dict[str, Report]:
        """Return what is known of each camera that is captured; nothing of one whose process only starts."""
        found = {camera_id: Report(False, 0, 0.0, reason) for camera_id, reason in self._crashes.items()}
        for child in self._children:
            said = {camera_id: child.report(camera_id) for camera_id in child.cameras}
            found |= {camera_id: report for camera_id, report in said.items() if report is not None}
        return found

    def pids(self) -> list[int]:
        """Return the ids of the processes."""
        return [child.pid for child in self._children]

    def close(self) -> None:
        """End all processes."""
        for child in self._children:
            child.ask_to_end()
        for child in self._children + self._leaving:
            child.end()
        self._children.clear()
        self._leaving.clear()

    def _begin(self, camera: Camera) -> None:
        suspicion = self._suspicions.get(camera.camera_id)
        suspected = suspicion is not None and suspicion.cleared_s is None
        if suspicion is not None and self._clock() < suspicion.not_before_s:
            return
        room = None if suspected else self._with_room()
        if room is None:
            room = CaptureChild(self._settings, self._command, alone=suspected, clock=self._clock)
            self._children.append(room)
        room.begin(camera)

    def _with_room(self) -> CaptureChild | None:
        return next((one for one in self._children if not one.alone and len(one.cameras) < CAMERAS_IN_ONE), None)

    def _dismiss(self, child: CaptureChild) -> None:
        child.ask_to_end()
        self._children.remove(child)
        self._leaving.append(child)

    def _look(self) -> None:
        """Write what waits, end what is of no use, and bury what died."""
        now_s = self._clock()
        if now_s - self._looked_s > _STOOD_STILL_S:
            for child in self._children:
                child.forgive()
        self._looked_s = now_s
        self._leaving = [child for child in self._leaving if not child.ended()]
        for child in list(self._children):
            code = child.died()
            if code is not None:
                self._suspect(child, f"signal {-code}" if code < 0 else f"exit code {code}")
                self._dismiss(child)
            elif (reason := child.push()) is not None:
                self._suspect(child, reason)
                child.kill()
                self._dismiss(child)

    def _suspect(self, child: CaptureChild, how: str) -> None:
        log.warning("a process that captured %s died: %s", ", ".join(child.cameras), how)
        now_s = self._clock()
        for camera_id in child.cameras:
            before = self._suspicions.get(camera_id)
            self._suspicions[camera_id] = (
                _Suspicion(now_s + _FIRST_PAUSE_S)
                if before is None
                else before.again(now_s, steady=now_s - child.since_s > _STEADY_S)
            )
            self._crashes[camera_id] = f"the process that read this camera died ({how})"

    def _clear_one(self) -> None:
        """Let a camera that stayed well alone share a process again; one at a time, since a move interrupts it."""
        if any(child.alone for child in self._leaving):
            return
        now_s = self._clock()
        for child in [child for child in self._children if child.alone]:
            for camera_id in child.cameras:
                suspicion = self._suspicions[camera_id]
                if now_s - child.since_s < suspicion.probation_s:
                    continue
                log.info("%s may share a process again", camera_id)
                self._suspicions[camera_id] = _Suspicion(now_s, probation_s=suspicion.probation_s, cleared_s=now_s)
                self._crashes.pop(camera_id, None)
                if self._with_room() is None:
                    child.alone = False
                else:
                    self._dismiss(child)
                return
