"""Frames as they are read from a container, packet by packet, and how they are encoded."""

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from contracts.errors import ContractError, PictureError, UnavailableError
from contracts.times import EARLIEST, from_epoch_ms
from workers.capture_motion import GreyPicture, reduced_frame, reduced_jpeg

_JPEG_QUALITY = 85
_LONGEST_GAP_S = 5.0
_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
_WALLCLOCK = struct.Struct("=q")
_MOST_UNDECODED = 300


@dataclass(frozen=True)
class EncodedPicture:
    """A picture as it goes into the log."""

    data: bytes
    content_type: str


@dataclass(frozen=True)
class Grab:
    """A frame that is encoded only if it is wanted.

    Attributes:
        at_s: its time in the source, in seconds from the start; of no meaning for a live source.
        encode: returns the picture; the source's own bytes where they are a picture already.
        preview: returns it small and grey, for what compares pictures; None where that is not to be had.
        sent_at: its time by the sender's own clock; None where the sender does not say.
    """

    at_s: float
    encode: Callable[[], EncodedPicture]
    preview: Callable[[], GreyPicture] | None = None
    sent_at: datetime | None = None


def picture_type(data: bytes) -> str | None:
    """Return the media type of an encoded picture by its first 12 bytes; None if it is none that workers read."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/bmp" if data[:2] == b"BM" and len(data) >= 12 else None


class MediaClock:
    """Turns a stream's time stamps into seconds that rise: an absent, repeated or far-off one counts as one frame."""

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._last_stamp_s: float | None = None
        self._now_s = -frame_s

    def tick(self, stamp_s: float | None) -> float:
        """Return the time of the next frame, whose stamp is `stamp_s`; the first is at 0."""
        step_s = self._frame_s
        if stamp_s is not None and self._last_stamp_s is not None and 0 < stamp_s - self._last_stamp_s < _LONGEST_GAP_S:
            step_s = stamp_s - self._last_stamp_s
        self._last_stamp_s = stamp_s
        self._now_s += step_s
        return self._now_s


class SenderClock:
    """When frames were sent, by the clock of an RTSP camera: FFmpeg works it out from RTCP's sender reports (RFC 3550).

    Until the first report there is no such time. One before 2000 says that the camera's clock was never set, and counts
    as none.
    """

    def __init__(self) -> None:
        self._sent: dict[int | None, datetime] = {}

    def note(self, packet: "Packet[VideoStream]") -> None:
        """Note the time of a packet, if it bears one, for the frames that are decoded from it."""
        if not packet.has_sidedata("prft"):
            return
        try:
            (microseconds,) = _WALLCLOCK.unpack_from(bytes(packet.get_sidedata("prft")))
            sent_at = from_epoch_ms(microseconds // 1000)
        except (struct.error, ContractError):
            return
        if sent_at >= EARLIEST:
            self._sent[packet.pts] = sent_at
            if len(self._sent) > _MOST_UNDECODED:
                del self._sent[next(iter(self._sent))]

    def take(self, pts: int | None) -> datetime | None:
        """Return the time of the frame or packet with this time stamp."""
        return self._sent.pop(pts, None)


def read(
    container: InputContainer, on_damage: Callable[[str], None], patience_s: float | None = None
) -> Iterator[Grab]:
    """Yield the frames of the first video stream.

    Raises:
        FFmpegError: the container itself breaks.
        UnavailableError: packets came for `patience_s`, and none gave a frame.
    """
    stream = container.streams.video[0]
    clock, sender, last_s = MediaClock(frame_s(stream)), SenderClock(), time.monotonic()
    for packet in container.demux(stream):
        sender.note(packet)
        jpeg = whole_jpeg(packet, stream)
        if jpeg is not None:
            yield Grab(
                clock.tick(seconds(packet.pts, packet, stream)),
                partial(EncodedPicture, jpeg, "image/jpeg"),
                partial(reduced_jpeg, jpeg),
                sender.take(packet.pts),
            )
            last_s = time.monotonic()
            continue
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            on_damage(f"a packet cannot be decoded: {reason_of(error)}")
            frames = []
        for frame in frames:
            if not isinstance(frame, VideoFrame):
                continue
            at_s, sent_at = clock.tick(seconds(frame.pts, frame, stream)), sender.take(frame.pts)
            if frame.is_corrupt:
                on_damage("a frame is damaged")
                continue
            yield Grab(at_s, partial(encode_frame, frame), partial(reduced_frame, frame), sent_at)
            last_s = time.monotonic()
        if patience_s is not None and time.monotonic() - last_s > patience_s:
            raise UnavailableError(f"no frame could be decoded for {patience_s:g} s")


def whole_jpeg(packet: "Packet[VideoStream]", stream: VideoStream) -> bytes | None:
    """Return the packet if it is a JPEG that stands alone (some AVI files leave the Huffman tables out)."""
    if stream.codec_context.name != "mjpeg":
        return None
    data = bytes(packet)
    return data if data.startswith(b"\xff\xd8") and b"\xff\xc4" in data and b"\xff\xd9" in data[-16:] else None


def frame_s(stream: VideoStream) -> float:
    """Return the seconds from frame to frame that a stream states, or those of 25 frames a second."""
    return float(1 / stream.average_rate) if stream.average_rate else 1 / 25


def seconds(stamp: int | None, part: "Packet[VideoStream] | VideoFrame", stream: VideoStream) -> float | None:
    """Return a time stamp of a packet or frame in seconds."""
    base = part.time_base or stream.time_base
    return None if stamp is None or base is None else float(stamp * base)


def with_video(container: InputContainer) -> InputContainer:
    """Return the container; one without video is closed, and a ValueError raised."""
    if not container.streams.video:
        container.close()
        raise ValueError("there is no picture in it")
    return container


def encode_frame(frame: VideoFrame) -> EncodedPicture:
    """Return the frame as JPEG, turned as its source says that it is to be shown."""
    return encode_bgr(_upright(frame))


def upright(frame: VideoFrame) -> VideoFrame:
    """Return the frame turned as its source says that it is to be shown; most are so already."""
    turned = round(frame.rotation) % 360 in _ROTATIONS
    return VideoFrame.from_ndarray(_upright(frame).astype(np.uint8), format="bgr24") if turned else frame


def _upright(frame: VideoFrame) -> cv2.typing.MatLike:
    picture = frame.to_ndarray(format="bgr24")
    rotation = round(frame.rotation) % 360
    return cv2.rotate(picture, _ROTATIONS[rotation]) if rotation in _ROTATIONS else picture


def encode_bgr(picture: cv2.typing.MatLike) -> EncodedPicture:
    """Return a picture as JPEG; raises PictureError when that cannot be."""
    encoded, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not encoded:
        raise PictureError(f"a picture of shape {picture.shape} cannot be encoded as JPEG")
    return EncodedPicture(jpeg.tobytes(), "image/jpeg")


def reason_of(error: BaseException) -> str:
    """Return what went wrong without the address that FFmpeg puts into its messages."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error)
