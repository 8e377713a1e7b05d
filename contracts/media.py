"""The `media-stream` record: about a second of encoded video and audio that can be decoded without any other record.

The value is a container: Matroska as Crowdwatch writes it, but MP4, MPEG-TS and others are read too. Its video starts
with a keyframe. The key is the camera, the headers are those of `frames`, for the first frame, and `frames`: which of
the chunk's pictures are frames, and when each was captured. All of it may be absent.

The old form, a JSON object of `timestamp`, `video_chunk` and `audio_chunk` in hexadecimal digits, is read as well.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from contracts.decoding import decoded
from contracts.errors import ContractError
from contracts.frames import FrameHeaders, Headers, Origin, believed
from contracts.ids import camera_id_of_key
from contracts.offsets import SourceOffset
from contracts.times import from_epoch_ms, from_record_ms, from_rfc3339

FRAMES_HEADER = "frames"
CHUNK_HEADER = "chunk"
"""Header of a frame that was rebuilt: `topic/partition/offset:picture` of the chunk that it comes from."""

_MOST_FRAMES = 10_000
_MOST_DELAY_MS = 24 * 3600 * 1000
_FIRST_YEAR_IN_MS = 100_000_000_000
"""A time stamp from here on is in milliseconds: in seconds it would name the year 5138."""


@dataclass(frozen=True)
class ChunkFrame:
    """One frame of a chunk.

    Attributes:
        picture: which of the chunk's pictures it is, from 0, in the order in which they are shown.
        delay_ms: when it was captured, in milliseconds after the chunk's first frame.
    """

    picture: int
    delay_ms: int


@dataclass(frozen=True)
class MediaHeaders:
    """What a producer says of a chunk: of its first frame as of any frame, and which of its pictures are frames.

    `frames` is None when nothing is said: each picture is a frame then, at the time that the container gives it.
    """

    first: FrameHeaders
    frames: tuple[ChunkFrame, ...] | None = None

    def encode(self) -> list[tuple[str, bytes]]:
        """Return the record's headers; what is absent is left out."""
        headers = self.first.encode()
        if self.frames is not None:
            text = ",".join(f"{frame.picture}:{frame.delay_ms}" for frame in self.frames)
            headers.append((FRAMES_HEADER, text.encode()))
        return headers

    @classmethod
    def decode(cls, headers: Headers) -> "MediaHeaders":
        """Read a record's headers.

        Raises:
            ContractError: `frames` is not of the form `picture:delay_ms,…`, both rising.
        """
        said = next((value for name, value in headers if name == FRAMES_HEADER and value is not None), None)
        return cls(FrameHeaders.decode(headers), None if said is None else _frames(said))


@dataclass(frozen=True)
class MediaChunk:
    """A chunk as the consumer reads it, with every default filled in.

    Attributes:
        captured_at: time of the first frame.
        video: a container, or one encoded picture.
        audio: sound beside the container, in the old form only; otherwise it is in the container.
        frame_id: of the first frame; None when the producer does not count.
    """

    source: SourceOffset
    camera_id: str
    captured_at: datetime
    video: bytes
    audio: bytes | None = None
    frame_id: int | None = None
    frames: tuple[ChunkFrame, ...] | None = None
    origin: Origin | None = None
    max_age_ms: int | None = None

    @classmethod
    def from_record(
        cls, source: SourceOffset, *, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int
    ) -> "MediaChunk":
        """Build a chunk from the parts of a Kafka record.

        Raises:
            ContractError: it holds no video, or says something of its frames that cannot be read.
        """
        said = MediaHeaders.decode(headers)
        at, video, audio = said.first.captured_at, value or b"", None
        if video[:1] == b"{":
            old_at, video, audio = _old_form(video)
            at = at or old_at
        if not video:
            raise ContractError("the chunk holds no video")
        return cls(
            source=source,
            camera_id=camera_id_of_key(key, source.partition),
            captured_at=believed(at, from_record_ms(timestamp_ms))[0],
            video=video,
            audio=audio,
            frame_id=said.first.frame_id,
            frames=said.frames,
            origin=said.first.origin,
            max_age_ms=said.first.max_age_ms,
        )

    def frame_headers(self, frame_id: int, delay_ms: int, content_type: str) -> FrameHeaders:
        """Return what is to be said of a frame of this chunk, captured `delay_ms` after its first."""
        return FrameHeaders(
            frame_id=frame_id,
            captured_at=self.captured_at + timedelta(milliseconds=delay_ms),
            content_type=content_type,
            origin=self.origin,
            max_age_ms=self.max_age_ms,
        )


def _frames(said: bytes) -> tuple[ChunkFrame, ...]:
    try:
        pairs = [part.split(":") for part in said.decode("ascii").split(",")] if said else []
        frames = tuple(ChunkFrame(_natural(picture), _natural(delay_ms)) for picture, delay_ms in pairs)
    except ValueError as error:
        raise ContractError(f"expected a header frames of the form 0:0,1:40, got {said[:40]!r}") from error
    rising = all(a.picture < b.picture and a.delay_ms <= b.delay_ms for a, b in itertools.pairwise(frames))
    if not rising or len(frames) > _MOST_FRAMES or any(frame.delay_ms > _MOST_DELAY_MS for frame in frames):
        raise ContractError(f"expected a header frames whose numbers rise, of a day at most, got {said[:40]!r}")
    return frames


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError(text)
    return int(text)


class _OldForm(msgspec.Struct):
    video_chunk: str
    audio_chunk: str | None = None
    timestamp: Any = None


def _decode_old_form(value: bytes) -> _OldForm:
    return msgspec.convert(json.loads(value), _OldForm)  # Python's own writers put Infinity and NaN into JSON


def _old_form(value: bytes) -> tuple[datetime | None, bytes, bytes | None]:
    """Return time, video and audio of the old form."""
    fields = decoded(_decode_old_form, value, "the chunk, which begins as JSON")
    video, audio = _bytes(fields.video_chunk, "video_chunk"), _bytes(fields.audio_chunk or "", "audio_chunk")
    return _time(fields.timestamp), video, audio or None


def _bytes(digits: str, name: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise ContractError(f"expected {name} in hexadecimal digits") from error


def _time(stamp: Any) -> datetime | None:
    """Read a time stamp: seconds or milliseconds since 1970, as a number or its digits, or RFC 3339; None otherwise."""
    try:
        number = float(stamp)
    except (TypeError, ValueError, OverflowError):
        number = None
    try:
        if number is None:
            return from_rfc3339(stamp) if isinstance(stamp, str) else None
        return from_epoch_ms(round(number if number >= _FIRST_YEAR_IN_MS else number * 1000))
    except (ContractError, OverflowError, ValueError):
        return None
