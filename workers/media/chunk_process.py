"""Chunks decoded in a child process with limits on time and memory, since what they hold may crash a decoder.

The child serves one chunk after the other while it lives. One that has served others before is not believed when it
dies: the chunk is tried once more in a new one. One that takes too long is not: it would take as long again.

The parent writes, for each chunk, a line of JSON `{"wanted": [numbers] or null}` and the chunk. The child answers each
picture by a line of JSON, `{"number", "at_ms", "content_type"}`, and its bytes, and at last says `{"error"}`.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence

from contracts.errors import PictureError
from settings import Settings
from workers.capture_reading import EncodedPicture
from workers.child_process import LENGTH, ChildProcess, Died, TooSlow, answer_safely, write_message
from workers.media.unpacking import ChunkPicture, pictures

COMMAND = (sys.executable, "-m", "workers.media.chunk_process")
_LINE_BYTES = 4096
_REASON_CHARS = 300


class ChunkProcess:
    """Decodes chunks elsewhere. `command` is the child's, for which `serve` is the example."""

    def __init__(self, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._command = command
        self._child: ChildProcess | None = None

    def pictures(self, chunk: bytes, wanted: Sequence[int] | None) -> Iterator[ChunkPicture]:
        """Yield a chunk's pictures as `unpacking.pictures` does.

        Whoever does not read to the end ends the child.

        Raises:
            PictureError: as there, or the child died of it, or took too long; the message says which.
            UnavailableError: no child could be started; that is not the chunk's fault.
        """
        used, yielded = self._child is not None, -1
        try:
            for picture in self._ask(chunk, wanted):
                yielded = picture.number
                yield picture
        except Died as first:
            if not used or isinstance(first, TooSlow):
                raise PictureError(str(first)) from first
            try:
                for picture in self._ask(chunk, wanted):
                    if picture.number > yielded:
                        yield picture
            except Died as second:
                raise PictureError(str(second)) from second

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ask(self, chunk: bytes, wanted: Sequence[int] | None) -> Iterator[ChunkPicture]:
        if self._child is None:
            most_bytes = self._settings.max_picture_bytes + _LINE_BYTES
            environment = os.environ | self._settings.to_environment()
            self._child = ChildProcess(self._command, environment, task="decoded", most_bytes=most_bytes)
        left_s, ended = self._settings.isolation_timeout_s, False
        try:
            self._child.send(json.dumps({"wanted": wanted}).encode() + b"\n" + chunk, left_s)
            while True:
                started = time.monotonic()
                line, _, data = self._child.receive(max(0.0, left_s)).partition(b"\n")
                left_s -= time.monotonic() - started  # what happens to a picture here is not the decoder's time
                answer = json.loads(line)
                if "error" in answer:
                    ended = True
                    break
                yield ChunkPicture(answer["number"], answer["at_ms"], EncodedPicture(data, answer["content_type"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Died(f"its own process gave no result: {error}"[:_REASON_CHARS]) from error
        finally:
            if not ended:
                self.close()
        if answer["error"] is not None:
            raise PictureError(str(answer["error"])[:_REASON_CHARS])


def serve() -> None:
    """The child: say that it is ready, then answer each chunk with its pictures; it dies with its parent."""
    settings = Settings.from_environment()
    answers = answer_safely(settings.isolation_memory_mib)
    asked = sys.stdin.buffer
    write_message(answers, b"")
    while head := asked.read(LENGTH.size):
        line, _, chunk = asked.read(LENGTH.unpack(head)[0]).partition(b"\n")
        wanted = json.loads(line)["wanted"]
        error = None
        try:
            for picture in pictures(
                chunk, None if wanted is None else frozenset(wanted), max_pixels=settings.max_picture_pixels
            ):
                size = len(picture.encoded.data)
                if size > settings.max_picture_bytes:
                    raise PictureError(f"picture {picture.number} takes {size} bytes as JPEG, more than is accepted")
                content_type = picture.encoded.content_type
                about = {"number": picture.number, "at_ms": picture.at_ms, "content_type": content_type}
                write_message(answers, json.dumps(about).encode() + b"\n" + picture.encoded.data)
        except PictureError as caught:
            error = str(caught)
        except Exception as caught:  # whatever a decoder throws: the chunk's neighbours have done nothing
            error = f"{type(caught).__name__}: {caught}"
        write_message(answers, json.dumps({"error": error}).encode() + b"\n")


if __name__ == "__main__":
    serve()
