"""Frames that were lost twice, in a child process with limits on time and memory.

The child's death is the frame's failure, and the parent lives to say so. A child serves one frame after the other while
it lives, since loading the model takes longer than a frame; one that has served others before is not believed when it
dies: its frame is tried once more in a new one.
"""

import json
import os
import select
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone

from contracts.errors import CrowdwatchError, ModelError
from contracts.faces import FacesRecord, ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from settings import Settings
from workers.camera_detection import CameraDetection
from workers.child_process import LENGTH, ChildProcess, Died, answer_safely, write_message

COMMAND = (sys.executable, "-m", "workers.isolation")
_OF_THE_FRAME = ("camera_id", "frame_id", "captured_at", "detected_at", "source", "origin", "received_at", "claimed_at")
_REASON_CHARS = 300
_IDLE_S = 30.0
_MOST_ANSWER_BYTES = 64 * 1024 * 1024


class Isolator:
    """Runs frames in a child process.

    Args:
        settings: its limits.
        wanted: how the frames of a camera are detected, by its id.
        model_of: names a camera's model in results that the child did not give.
        command: the child's, for which `serve` is the example; the model's name is added.
    """

    def __init__(
        self,
        settings: Settings,
        wanted: Callable[[str], CameraDetection],
        model_of: Callable[[CameraDetection], ModelInfo | None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._model_of = model_of
        self._command = command
        self._child: ChildProcess | None = None
        self._child_model = ""

    def run(self, frame: Frame) -> FacesRecord:
        """Return the frame's result: what the child found, or `failed` with the reason of the child's death.

        Raises:
            UnavailableError: no child could be started; that is not the frame's fault.
        """
        wanted = self._wanted(frame.camera_id)
        frame = wanted.with_age_limit(frame)
        if frame.is_too_old(datetime.now(timezone.utc)):
            return self._answer(frame, Status.SKIPPED, f"older than {frame.max_age_ms} ms when it was read")
        if self._child_model != wanted.model:
            self.close()
        used = self._child is not None
        try:
            out = self._ask(wanted, frame.picture)
        except Died as first:
            if not used:
                return self._answer(frame, Status.FAILED, str(first))
            try:
                out = self._ask(wanted, frame.picture)
            except Died as second:
                return self._answer(frame, Status.FAILED, str(second))
        try:
            fields = json.loads(out)
            identity = self._answer(frame, Status.OK).to_dict()
            return FacesRecord.from_dict({**fields, **{name: identity[name] for name in _OF_THE_FRAME}})
        except (ValueError, TypeError, CrowdwatchError) as error:
            return self._answer(frame, Status.FAILED, f"its own process gave no result: {error}"[:_REASON_CHARS])

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ask(self, wanted: CameraDetection, picture: bytes) -> bytes:
        if self._child is None:
            environment = os.environ | self._settings.to_environment()
            command = (*self._command, wanted.model)
            self._child = ChildProcess(command, environment, task="detected", most_bytes=_MOST_ANSWER_BYTES)
            self._child_model = wanted.model
        try:
            message = json.dumps(asdict(wanted)).encode() + b"\n" + picture
            self._child.send(message, self._settings.isolation_timeout_s)
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
            model=self._model_of(self._wanted(frame.camera_id)),
            error=reason,
            origin=frame.origin,
            received_at=frame.received_at,
            claimed_at=frame.claimed_at,
        )


def serve(model: str) -> None:
    """The child: say that it is ready, then answer each picture with its result; end when nobody asks for 30 s.

    A message holds a line of JSON, how to detect (`CameraDetection`), and the picture.
    """
    from workers.frame_analyser import FrameAnalyser
    from workers.loaded_models import LoadedModels, load_by_name

    settings = Settings.from_environment()
    answers = answer_safely(settings.isolation_memory_mib)
    models = LoadedModels(load_by_name(settings), most=1)
    with suppress(ModelError):  # it is the reason of each frame's failure, then
        models.get(model)
    wanted = CameraDetection(model, settings.confidence_threshold)
    analyser = FrameAnalyser(settings, models, lambda _: wanted, lambda: datetime.now(timezone.utc))
    asked = sys.stdin.buffer
    write_message(answers, b"")
    while select.select([asked], [], [], _IDLE_S)[0] and (head := asked.read(LENGTH.size)):
        how, _, picture = asked.read(LENGTH.unpack(head)[0]).partition(b"\n")
        wanted = replace(CameraDetection(**json.loads(how)), max_age_ms=None)  # the parent has judged its age
        now = datetime.now(timezone.utc)
        frame = Frame(SourceOffset("isolated", 0, 0), "isolated", 0, now, picture, now)
        [record] = analyser.analyse([frame])
        write_message(answers, record.encode())


if __name__ == "__main__":
    serve(sys.argv[1])
