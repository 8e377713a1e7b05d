"""One frame in a child process of its own, with limits on time and memory: for frames that were lost twice.

The child's death is the frame's failure, and the parent lives to say so.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from contracts.errors import CrowdwatchError
from contracts.faces import FacesRecord, ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from settings import Settings

_REASON_CHARS = 300
COMMAND = (sys.executable, "-m", "workers.isolation")


class Isolator:
    """Runs frames in child processes. `command` is the child's; it reads the picture, and prints a result."""

    def __init__(self, settings: Settings, model: ModelInfo, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._model = model
        self._command = command

    def run(self, frame: Frame) -> FacesRecord:
        """Return the frame's result: what the child found, or `failed` with the reason of the child's death."""
        if frame.is_too_old(datetime.now(timezone.utc)):
            return self._answer(frame, Status.SKIPPED, f"older than {frame.max_age_ms} ms when it was read")
        child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | self._settings.to_environment(),
            start_new_session=True,
        )
        try:
            out, err = child.communicate(frame.picture, timeout=self._settings.isolation_timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            reason = f"gave no result within {self._settings.isolation_timeout_s:g} s in a process of its own"
            return self._answer(frame, Status.FAILED, reason)
        if child.returncode != 0:
            return self._answer(frame, Status.FAILED, _death(child.returncode, err))
        try:
            fields = json.loads(out)
            identity = self._answer(frame, Status.OK).to_dict()
            kept = ("camera_id", "frame_id", "captured_at", "detected_at", "source")
            return FacesRecord.from_dict({**fields, **{name: identity[name] for name in kept}})
        except (ValueError, CrowdwatchError) as error:
            return self._answer(frame, Status.FAILED, f"its own process printed no result: {error}"[:_REASON_CHARS])

    def _answer(self, frame: Frame, status: Status, reason: str | None = None) -> FacesRecord:
        return FacesRecord(
            source=frame.source,
            camera_id=frame.camera_id,
            frame_id=frame.frame_id,
            captured_at=frame.captured_at,
            detected_at=datetime.now(timezone.utc),
            status=status,
            model=self._model,
            error=reason,
        )


def _death(returncode: int, stderr: bytes) -> str:
    last = stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
    how = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"
    return f"killed the process that detected it ({how}){': ' if last[0] else ''}{last[0]}"[:_REASON_CHARS]


def main() -> None:
    """The child: read a picture from standard input, print its result."""
    from detection import load_detector
    from workers.detect_range import FrameAnalyser

    settings = Settings.from_environment()
    memory = settings.isolation_memory_mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    detector = load_detector(
        settings.model, runtime=settings.runtime, threads=settings.detect_threads, cache_dir=settings.cache_dir
    )
    now = datetime.now(timezone.utc)
    frame = Frame(SourceOffset("isolated", 0, 0), "isolated", 0, now, sys.stdin.buffer.read())
    analyser = FrameAnalyser(settings, detector, lambda: datetime.now(timezone.utc))
    [record] = analyser.analyse([frame])
    sys.stdout.buffer.write(record.encode())


if __name__ == "__main__":
    main()
