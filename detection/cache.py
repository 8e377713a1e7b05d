"""Files that are made once and kept: written whole or not at all, by one process while the others wait for it."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_UNFINISHED = ".part"


def cached_file(path: Path, make: Callable[[], bytes]) -> Path:
    """Return `path`, made by `make` if it is not there yet.

    Of several processes that ask at the same time one makes it. One that is killed leaves at most an unfinished file
    of another name, which the next one removes.
    """
    if path.exists():
        return path
    with locked(path):
        if not path.exists():
            for leftover in path.parent.glob(f"{path.name}.*{_UNFINISHED}"):
                leftover.unlink(missing_ok=True)
            write_atomically(path, make())
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(prefix=f"{path.name}.", suffix=_UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to `path` (a file beside it); the system releases it when the process ends, however
    it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
