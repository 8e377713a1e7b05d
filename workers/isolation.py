"""Frames that were lost twice, in a child process with limits on time and memory.

The child's death is the frame's failure, and the parent lives to say so. A child serves one frame after the other while
it lives, since loading the model takes longer than a frame; one that has served others before is not believed when it
dies: its frame is tried once more in a new one.
"""

import json
import os
import select
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from contracts.errors import CrowdwatchError
from contracts.faces import FacesRecord, ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from settings import Settings
from workers.child_process import LENGTH, ChildProcess, Died, answer_safely, write_message

COMMAND = (sys.executable, "-m", "workers.isolation")
_REASON_CHARS = 300
_IDLE_S = 30.0
_MOST_ANSWER_BYTES = 64 * 1024 * 1024


class Isolator:
    """Runs frames in a child process. `command` is the child's, for which `serve` is the example."""

    def __init__(self, settings: Settings, model: ModelInfo, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._model = model
        self._command = command
        self._child: ChildProcess | None = None

    def run(self, frame: Frame) -> FacesRecord:
        """Return the frame's result: what the child found, or `failed` with the reason of the child's death.

        Raises:
            UnavailableError: no child could be started; that is not the frame's fault.
        """
        if frame.is_too_old(datetime.now(timezone.utc)):
            return self._answer(frame, Status.SKIPPED, f"older than {frame.max_age_ms} ms when it was read")
        used = self._child is not None
        try:
            out = self._ask(frame.picture)
        except Died as first:
            if not used:
                return self._answer(frame, Status.FAILED, str(first))
            try:
                out = self._ask(frame.picture)
            except Died as second:
                return self._answer(frame, Status.FAILED, str(second))
        try:
            fields = json.loads(out)
            identity = self._answer(frame, Status.OK).to_dict()
            kept = ("camera_id", "frame_id", "captured_at", "detected_at", "source")
            return FacesRecord.from_dict({**fields, **{name: identity[name] for name in kept}})
        except (ValueError, TypeError, CrowdwatchError) as error:
            return self._answer(frame, Status.FAILED, f"its own process gave no result: {error}"[:_REASON_CHARS])

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ask(self, picture: bytes) -> bytes:
        if self._child is None:
            environment = os.environ | self._settings.to_environment()
            self._child = ChildProcess(self._command, environment, task="detected", most_bytes=_MOST_ANSWER_BYTES)
        try:
            self._child.send(picture, self._settings.isolation_timeout_s)
            return self._child.receive(self._settings.isolation_timeout_s)
        except Died:
            self.close()
            raise

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


def serve() -> None:
    """The child: say that it is ready, then answer each picture with its result; end when nobody asks for 30 s."""
    from detection import load_detector
    from workers.frame_analyser import FrameAnalyser

    settings = Settings.from_environment()
    answers = answer_safely(settings.isolation_memory_mib)
    detector = load_detector(
        settings.model, runtime=settings.runtime, threads=settings.detect_threads, cache_dir=settings.cache_dir
    )
    analyser = FrameAnalyser(settings, detector, lambda: datetime.now(timezone.utc))
    asked = sys.stdin.buffer
    write_message(answers, b"")
    while select.select([asked], [], [], _IDLE_S)[0] and (head := asked.read(LENGTH.size)):
        picture = asked.read(LENGTH.unpack(head)[0])
        now = datetime.now(timezone.utc)
        [record] = analyser.analyse([Frame(SourceOffset("isolated", 0, 0), "isolated", 0, now, picture, now)])
        write_message(answers, record.encode())


if __name__ == "__main__":
    serve()
