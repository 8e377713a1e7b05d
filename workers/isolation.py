"""Frames that were lost twice, in a child process with limits on time and memory.

The child's death is the frame's failure, and the parent lives to say so. A child serves one frame after the other while
it lives, since loading the model takes longer than a frame; one that has served others before is not believed when it
dies: its frame is tried once more in a new one.
"""

import ctypes
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import BinaryIO

from contracts.errors import CrowdwatchError, UnavailableError
from contracts.faces import FacesRecord, ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from settings import Settings

COMMAND = (sys.executable, "-m", "workers.isolation")
_REASON_CHARS = 300
_IDLE_S = 30.0
_START_S = 30.0
_LENGTH = struct.Struct(">Q")
_CHUNK = 1 << 16
_PR_SET_PDEATHSIG = 1


class Isolator:
    """Runs frames in a child process. `command` is the child's, for which `serve` is the example."""

    def __init__(self, settings: Settings, model: ModelInfo, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._model = model
        self._command = command
        self._child: _Child | None = None

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
        except _Died as first:
            if not used:
                return self._answer(frame, Status.FAILED, str(first))
            try:
                out = self._ask(frame.picture)
            except _Died as second:
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
            self._child = _Child(self._command, os.environ | self._settings.to_environment())
        try:
            return self._child.ask(picture, self._settings.isolation_timeout_s)
        except _Died:
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


class _Died(Exception):
    """The child died, or gave no answer in time; the message says how."""


class _Child:
    """The child process, spoken to by messages that each begin with their length."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        for descriptor in (self._in, self._out):
            os.set_blocking(descriptor, False)
        try:
            self._receive(time.monotonic() + _START_S)
        except (_Died, TimeoutError) as error:
            self.kill()
            raise UnavailableError(f"no process for a single frame could be started: {error}") from error

    def ask(self, picture: bytes, timeout_s: float) -> bytes:
        """Send a picture and return the answer; raises `_Died`."""
        deadline = time.monotonic() + timeout_s
        try:
            self._send(_LENGTH.pack(len(picture)) + picture, deadline)
            return self._receive(deadline)
        except TimeoutError as error:
            raise _Died(f"gave no result within {timeout_s:g} s in a process of its own") from error

    def kill(self) -> None:
        """End it, and whatever it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            if file is not None:
                try:
                    file.close()
                except BrokenPipeError:
                    pass

    def _send(self, message: bytes, deadline: float) -> None:
        rest = memoryview(message)
        while rest:
            _wait([], [self._in], deadline)
            try:
                rest = rest[os.write(self._in, rest[:_CHUNK]) :]
            except BrokenPipeError as error:
                raise self._death() from error

    def _receive(self, deadline: float) -> bytes:
        message, wanted = bytearray(), _LENGTH.size
        while len(message) < wanted:
            _wait([self._out], [], deadline)
            part = os.read(self._out, _CHUNK)
            if not part:
                raise self._death()
            message += part
            if wanted == _LENGTH.size and len(message) >= wanted:
                wanted += _LENGTH.unpack_from(message)[0]
        return bytes(message[_LENGTH.size :])

    def _death(self) -> _Died:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return _Died("its own process stopped answering")
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        how = f"signal {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        return _Died(f"killed the process that detected it ({how}){': ' if last[0] else ''}{last[0]}"[:_REASON_CHARS])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return str(number)


def _wait(readers: list[int], writers: list[int], deadline: float) -> None:
    if not any(select.select(readers, writers, [], max(0.0, deadline - time.monotonic()))):
        raise TimeoutError


def serve() -> None:
    """The child: say that it is ready, then answer each picture with its result; end when nobody asks for 30 s."""
    from detection import load_detector
    from workers.detect_range import FrameAnalyser

    settings = Settings.from_environment()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not be taken for an answer
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    memory = settings.isolation_memory_mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    detector = load_detector(
        settings.model, runtime=settings.runtime, threads=settings.detect_threads, cache_dir=settings.cache_dir
    )
    analyser = FrameAnalyser(settings, detector, lambda: datetime.now(timezone.utc))
    asked = sys.stdin.buffer
    _write(answers, b"")
    while select.select([asked], [], [], _IDLE_S)[0] and (head := asked.read(_LENGTH.size)):
        picture = asked.read(_LENGTH.unpack(head)[0])
        now = datetime.now(timezone.utc)
        [record] = analyser.analyse([Frame(SourceOffset("isolated", 0, 0), "isolated", 0, now, picture)])
        _write(answers, record.encode())


def _write(file: BinaryIO, message: bytes) -> None:
    file.write(_LENGTH.pack(len(message)) + message)
    file.flush()


if __name__ == "__main__":
    serve()
