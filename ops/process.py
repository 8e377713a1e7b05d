"""What a supervised process is: how it is started, how it is asked whether it answers, and how its log is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

LOG_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class ProcessSpec:
    """A process to be kept running.

    Attributes:
        name: as it appears in the status and in the log's file name.
        command: program and arguments.
        probe: returns when the process answers, and raises `UnavailableError` when it does not (yet). It runs in a
            thread and takes no longer than a few seconds.
        environment: the whole environment of the process.
        metrics_url: where a role serves its metrics.
    """

    name: str
    command: tuple[str, ...]
    probe: Callable[[], None]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    metrics_url: str | None = None


class ProcessLog:
    """One process' log file; at its limit it is moved to `<name>.log.1`, which is all that is kept of the past.

    The process writes to the file itself, in append mode, so its log is whole even when nobody watches it.
    """

    def __init__(self, folder: Path, name: str, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.log"
        self._old = folder / f"{name}.log.1"
        self._limit_bytes = limit_bytes

    def open(self) -> BinaryIO:
        """Open the log for a process to write to."""
        return self.path.open("ab")

    def rotate(self) -> None:
        """Keep the log within its limit. The writer has the file open, so it is copied and cut, not renamed."""
        try:
            if self.path.stat().st_size < self._limit_bytes:
                return
        except FileNotFoundError:
            return
        with self.path.open("r+b") as file:
            self._old.write_bytes(file.read())
            file.truncate(0)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - 16 * 1024))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])
