"""The frames of an uploaded video, decoded in a process of its own: what crashes the decoder ends that process alone.

The process is given path, frames a second, how many frames to pass over and how many pixels a picture may have. It
writes the video's length in seconds (8 bytes), then for each frame its time in seconds, its size in bytes (8 bytes
each) and the JPEG.
"""

import json
import os
import resource
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from contracts.errors import CrowdwatchError, PictureError
from settings import Settings
from workers.capture_pace import Thinning
from workers.capture_process import die_with_parent
from workers.capture_sources import VideoFile

COMMAND = (sys.executable, "-m", "workers.video_process")
_SILENT_S = 60.0
_REASON_CHARS = 300
_LENGTH = struct.Struct(">d")
_HEAD = struct.Struct(">dQ")


class VideoProcess:
    """Decodes a video elsewhere, and yields what comes of it. Use it as a context manager."""

    def __init__(self, settings: Settings, path: Path, fps: float, skip: int) -> None:
        self._max_bytes = settings.max_picture_bytes
        self._process = subprocess.Popen(
            (*COMMAND, str(path), repr(fps), str(skip)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | settings.to_environment(),
            start_new_session=True,
        )

    def __enter__(self) -> "VideoProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def duration_s(self) -> float:
        """Return how long the video is by the times of its pictures. Ask this first.

        Raises:
            PictureError: it cannot be read as video.
        """
        (seconds,) = _LENGTH.unpack(self._read(_LENGTH.size))
        return float(seconds)

    def frames(self) -> Iterator[tuple[float, bytes]]:
        """Yield time and JPEG of each frame.

        Raises:
            PictureError: the decoder died, fell silent, or found something that cannot be decoded.
        """
        while head := self._read(_HEAD.size, may_end=True):
            at_s, size = _HEAD.unpack(head)
            if size > self._max_bytes:
                raise PictureError(f"a frame of {size} bytes is larger than is accepted")
            yield at_s, self._read(size)

    def _read(self, size: int, *, may_end: bool = False) -> bytes:
        assert self._process.stdout is not None
        descriptor, data = self._process.stdout.fileno(), bytearray()
        while len(data) < size:
            if not select.select([descriptor], [], [], _SILENT_S)[0]:
                raise PictureError(f"the decoder gave no frame within {_SILENT_S:g} s")
            part = os.read(descriptor, size - len(data))
            if not part:
                if may_end and not data and self._process.wait() == 0:
                    return b""
                raise PictureError(self._reason())
            data += part
        return bytes(data)

    def _reason(self) -> str:
        code = self._process.wait()
        assert self._process.stderr is not None
        text = self._process.stderr.read().decode("utf-8", "replace")
        with suppress(ValueError, IndexError, KeyError, TypeError):
            return str(json.loads(text.splitlines()[-1])["error"])[:_REASON_CHARS]
        return f"the decoder died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


def main() -> None:
    """Decode, and write to the standard output."""
    path, fps, skip = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    die_with_parent()
    settings = Settings.from_environment()
    memory = settings.isolation_memory_mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not be taken for frames
    try:
        _write_frames(VideoFile(path, max_pixels=settings.max_picture_pixels), fps, skip, out)
    except CrowdwatchError as error:
        sys.exit(json.dumps({"error": str(error).replace(str(path), "the video")}))


def _write_frames(video: VideoFile, fps: float, skip: int, out: BinaryIO) -> None:
    out.write(_LENGTH.pack(video.duration_s()))
    thinning, number = Thinning(fps), 0
    for grab in video.grabs(lambda what: None):
        if not thinning.wants(grab.at_s):
            continue
        if number >= skip:
            picture = grab.encode().data
            out.write(_HEAD.pack(grab.at_s, len(picture)) + picture)
            out.flush()
        number += 1


if __name__ == "__main__":
    main()
