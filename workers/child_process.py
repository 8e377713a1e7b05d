"""A child process that does what may crash or never end, spoken to by messages that each begin with their length."""

import ctypes
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
from typing import BinaryIO

from contracts.errors import UnavailableError

LENGTH = struct.Struct(">Q")
_REASON_CHARS = 300
_START_S = 30.0
_CHUNK = 1 << 16
_PR_SET_PDEATHSIG = 1


class Died(Exception):
    """The child died, or gave no answer in time; the message says how."""


class TooSlow(Died):
    """The child gave no answer in time."""


class ChildProcess:
    """The child, as its parent sees it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], *, task: str, most_bytes: int) -> None:
        """Start it and wait until it is ready.

        Args:
            command: what runs; its first message, empty, says that it is ready.
            environment: its environment.
            task: what it does to what it is given, for the reasons of its death: `detected`.
            most_bytes: a longer answer than this ends it.

        Raises:
            UnavailableError: it could not be started.
        """
        self._task = task
        self._most_bytes = most_bytes
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
            self.receive(_START_S)
        except Died as error:
            self.kill()
            raise UnavailableError(f"no process of its own could be started: {error}") from error

    def send(self, message: bytes, timeout_s: float) -> None:
        """Send a message; raises `Died`, also when it is not taken in time."""
        deadline, rest = time.monotonic() + timeout_s, memoryview(LENGTH.pack(len(message)) + message)
        while rest:
            self._wait([], [self._in], deadline, timeout_s)
            try:
                rest = rest[os.write(self._in, rest[:_CHUNK]) :]
            except BrokenPipeError as error:
                raise self._death() from error

    def receive(self, timeout_s: float) -> bytes:
        """Return the next message; raises `Died`, also when none comes in time."""
        deadline = time.monotonic() + timeout_s
        message, wanted = bytearray(), LENGTH.size
        while len(message) < wanted:
            self._wait([self._out], [], deadline, timeout_s)
            part = os.read(self._out, min(_CHUNK, wanted - len(message)))
            if not part:
                raise self._death()
            message += part
            if wanted == LENGTH.size and len(message) == wanted:
                (length,) = LENGTH.unpack(message)
                if length > self._most_bytes:
                    raise Died(f"its own process answered with {length} bytes")
                wanted += length
        return bytes(message[LENGTH.size :])

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

    def _wait(self, readers: list[int], writers: list[int], deadline: float, timeout_s: float) -> None:
        if not any(select.select(readers, writers, [], max(0.0, deadline - time.monotonic()))):
            raise TooSlow(f"gave no result within {timeout_s:.3g} s in a process of its own")

    def _death(self) -> Died:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return Died("its own process stopped answering")
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        how = f"signal {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        return Died(
            f"killed the process that {self._task} it ({how}){': ' if last[0] else ''}{last[0]}"[:_REASON_CHARS]
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return str(number)


def answer_safely(memory_mib: int) -> BinaryIO:
    """In the child: die with the parent, keep within the memory, and return where the answers are written.

    What else is printed goes to the errors: a library that prints must not be taken for an answer.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    memory = memory_mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return answers


def write_message(file: BinaryIO, message: bytes) -> None:
    """In the child: write one answer."""
    file.write(LENGTH.pack(len(message)) + message)
    file.flush()
