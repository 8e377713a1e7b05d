"""The pictures of a chunk. What comes from strangers is decoded here: call it in a process that may die.

FFmpeg reads the chunk from memory, in the containers that hold pictures alone, and may open nothing else.
"""

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from contracts.errors import PictureError
from workers.capture_reading import EncodedPicture, encode_frame, picture_type, whole_jpeg, with_video
from workers.capture_sources import FILE_FORMATS

MOST_PICTURES = 2000
"""Pictures in one chunk, at most."""

_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": FILE_FORMATS}


@dataclass(frozen=True)
class ChunkPicture:
    """A picture of a chunk.

    Attributes:
        number: from 0, in the order in which the pictures are shown.
        at_ms: its time in milliseconds after the chunk's first picture, as the container says.
    """

    number: int
    at_ms: int
    encoded: EncodedPicture


def pictures(chunk: bytes, wanted: Collection[int] | None = None, *, max_pixels: int) -> Iterator[ChunkPicture]:
    """Yield the pictures of a chunk, or those whose numbers are wanted. One that is a JPEG already keeps its bytes.

    Raises:
        PictureError: it is no video, has too many or too large pictures, or, after all that could be decoded, some
            could not.
    """
    content_type = picture_type(chunk)
    if content_type is not None:
        yield ChunkPicture(0, 0, EncodedPicture(chunk, content_type))
        return
    try:
        container = with_video(av.open(io.BytesIO(chunk), "r", options=_OPTIONS, metadata_errors="replace"))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise PictureError(f"the chunk cannot be read as video: {_reason(error)}") from error
    with container:
        stream = container.streams.video[0]
        if not stream.codec_context:
            raise PictureError("the chunk's codec is not known")
        stream.codec_context.options = {"max_pixels": str(max_pixels)}
        if stream.width * stream.height > max_pixels:
            raise PictureError(f"pictures of {stream.width} x {stream.height} pixels are more than {max_pixels}")
        try:
            packets = list(_packets(container.demux(stream)))
        except av.error.FFmpegError as error:
            raise PictureError(f"the chunk cannot be read to its end: {_reason(error)}") from error
        yield from _decoded(packets, stream, wanted)


def _packets(demuxed: "Iterator[Packet[VideoStream]]") -> "Iterator[Packet[VideoStream]]":
    """Yield the packets with the empty one that ends them; each is a picture."""
    for number, packet in enumerate(demuxed):
        if number > MOST_PICTURES:
            raise PictureError(f"the chunk holds more than {MOST_PICTURES} pictures")
        yield packet


def _decoded(
    packets: "list[Packet[VideoStream]]", stream: VideoStream, wanted: Collection[int] | None
) -> Iterator[ChunkPicture]:
    numbering = _Numbering([packet.pts for packet in packets if packet.size], stream)
    shown, damage = 0, ""
    for packet in packets:
        jpeg = whole_jpeg(packet, stream)
        parts: list[VideoFrame | bytes] = []
        if jpeg is not None:
            parts.append(jpeg)
        else:
            try:
                parts += packet.decode()
            except av.error.FFmpegError as error:
                damage = damage or _reason(error)
        for part in parts:
            number, at_ms = numbering.place(packet.pts if isinstance(part, bytes) else part.pts)
            shown += 1
            if isinstance(part, VideoFrame) and part.is_corrupt:
                damage = damage or f"picture {number} is damaged"
            elif wanted is None or number in wanted:
                encoded = EncodedPicture(part, "image/jpeg") if isinstance(part, bytes) else encode_frame(part)
                yield ChunkPicture(number, at_ms, encoded)
    if not shown:
        raise PictureError(f"no picture of the chunk can be decoded: {damage or 'it holds none'}")
    if damage:
        raise PictureError(f"a part of the chunk cannot be decoded: {damage}")


class _Numbering:
    """Which of a chunk's pictures a frame is, by its time stamp; where stamps say nothing, by counting."""

    def __init__(self, stamps: list[int | None], stream: VideoStream) -> None:
        known = sorted({stamp for stamp in stamps if stamp is not None})
        self._known = {stamp: number for number, stamp in enumerate(known)} if len(known) == len(stamps) else {}
        self._ms = 1000 * stream.time_base if stream.time_base else None
        self._next, self._last_ms = 0, 0
        rate = stream.average_rate
        self._step_ms = round(1000 / rate) if rate else 40

    def place(self, stamp: int | None) -> tuple[int, int]:
        """Return number and time in milliseconds of the next frame; times do not fall."""
        number = self._next if stamp is None else self._known.get(stamp, self._next)
        if self._known and stamp is not None and self._ms is not None:
            at_ms = round((stamp - next(iter(self._known))) * self._ms)
        else:
            at_ms = number * self._step_ms
        self._next, self._last_ms = number + 1, max(self._last_ms, at_ms)
        return number, self._last_ms


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
