"""Where frames come from: video files, folders of pictures, cameras on the network, webcams.

What is opened is limited on purpose: a network address is RTSP or HTTP, a file is what the operator named, and only
containers that hold pictures are read. Playlists and FFmpeg's joining protocols, which open further files and addresses
on their own, are refused by both lists.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from contracts.camera_urls import masked
from contracts.errors import ConfigurationError, UnavailableError

log = logging.getLogger(__name__)

FOLDER_FPS = 5.0
"""Pictures a second of a folder, unless another pace is asked for."""

_JPEG_QUALITY = 85
OPEN_TIMEOUT_S, READ_TIMEOUT_S = 8.0, 8.0
_LONGEST_GAP_S = 5.0
FILE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,gif,h264,hevc,mjpeg"
_NETWORK_FORMATS = "rtsp,sdp,rtp,mpjpeg,mjpeg,mpegts,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,h264,hevc"
_PROTOCOLS = {
    "rtsp": "rtsp,rtsps,rtp,srtp,tcp,tls",
    "rtsps": "rtsp,rtsps,rtp,srtp,tcp,tls",
    "http": "http,https,tcp,tls",
    "https": "http,https,tcp,tls",
}
_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}

av.logging.set_level(av.logging.PANIC)  # FFmpeg's own lines hold addresses with passwords


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
    """

    at_s: float
    encode: Callable[[], EncodedPicture]


@dataclass(frozen=True)
class Located:
    """Where an address leads: what FFmpeg is to open, with what further options."""

    url: str
    options: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """A place that frames come from.

    Attributes:
        name: for logs and people; never holds a password.
        live: whether frames come at their own pace and are lost when nobody takes them.
    """

    name: str
    live: bool

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        """Open the source and read it to its end; what cannot be read is told to `on_damage` and passed over.

        Raises:
            UnavailableError: a live source cannot be opened, falls silent or breaks off.
            ConfigurationError: a file holds nothing that can be read.
        """

    def duration_s(self) -> float:
        """Return how long one pass takes, in seconds; 0 when that is not known."""


def open_source(text: str, *, folder_fps: float = FOLDER_FPS) -> Source:
    """Return the source that `text` names: a URL (rtsp, rtsps, http, https), a webcam's index, a file or a folder.

    Nothing on the network is touched yet.

    Args:
        text: what the operator gave.
        folder_fps: pictures a second of a folder, which has no pace of its own.

    Raises:
        ConfigurationError: the scheme is not allowed, or there is no such file.
    """
    if text.isascii() and text.isdigit():
        return Webcam(int(text))
    scheme, separator, _ = text.partition("://")
    if separator:
        if scheme.lower() not in _PROTOCOLS:
            raise ConfigurationError(f"cannot capture {scheme}: expected one of {', '.join(_PROTOCOLS)}, or a path")
        return NetworkCamera(text)
    path = Path(text).expanduser()
    if text and path.is_dir():
        return PictureFolder(path, folder_fps)
    if not (text and path.is_file()):
        raise ConfigurationError(f"no such file or folder: {text}")
    with path.open("rb") as file:
        start = file.read(16)
    return PictureFolder(path, folder_fps) if picture_type(start) else VideoFile(path)


def picture_type(data: bytes) -> str | None:
    """Return the media type of an encoded picture by its first 12 bytes; None if it is none that workers read."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/bmp" if data[:2] == b"BM" and len(data) >= 12 else None


class VideoFile:
    """A video file, read to its end; damaged packets are passed over."""

    live = False

    def __init__(self, path: Path, *, max_pixels: int | None = None) -> None:
        """Take the file; one whose pictures have more than `max_pixels` is refused when it is opened."""
        self.name = str(path)
        self._max_pixels = max_pixels
        self._path = path.resolve()  # starts with a slash: FFmpeg takes no part of it for a protocol

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        """As `Source.grabs`. A file that ends early is read as far as it goes."""
        with self.container() as container:
            try:
                yield from _read(container, on_damage)
            except av.error.FFmpegError as error:
                log.warning("%s ends early: %s", self.name, error.strerror)

    def duration_s(self) -> float:
        """As `Source.duration_s`, by the times of the packets: what a container says of its length may be wrong."""
        with self.container() as container:
            stream = container.streams.video[0]
            frame_s, end_s = _frame_s(stream), 0.0
            clock = MediaClock(frame_s)
            try:
                for packet in container.demux(stream):
                    if packet.size:
                        end_s = clock.tick(_seconds(packet.dts, packet, stream)) + frame_s
            except av.error.FFmpegError:
                pass
            return end_s

    def container(self) -> InputContainer:
        """Open the file; raises ConfigurationError when it cannot be read as video."""
        options = {"protocol_whitelist": "file", "format_whitelist": FILE_FORMATS}
        try:
            container = with_video(av.open(str(self._path), options=options, metadata_errors="replace"))
            stream = container.streams.video[0]
            if self._max_pixels is not None and stream.width * stream.height > self._max_pixels:
                container.close()
                raise ValueError(f"{stream.width} x {stream.height} pixels are more than {self._max_pixels}")
            return container
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(f"cannot read {self.name} as video: {reason}") from error


class PictureFolder:
    """The pictures of a folder, or one picture, bytes unchanged; `2.jpg` comes before `10.jpg`."""

    live = False

    def __init__(self, path: Path, fps: float = FOLDER_FPS) -> None:
        self.name = str(path)
        self._fps = fps
        self._path = path

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        """As `Source.grabs`."""
        found = 0
        for path in self._files():
            try:
                data = path.read_bytes()
            except OSError as error:
                on_damage(f"{path.name} cannot be read: {error.strerror}")
                continue
            content_type = picture_type(data)
            if content_type is None:
                on_damage(f"{path.name} is no JPEG, PNG, WebP or BMP picture")
                continue
            yield Grab(found / self._fps, partial(EncodedPicture, data, content_type))
            found += 1
        if not found:
            raise ConfigurationError(f"no JPEG, PNG, WebP or BMP picture in {self.name}")

    def duration_s(self) -> float:
        """As `Source.duration_s`."""
        return len(self._files()) / self._fps

    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        return sorted((path for path in self._path.iterdir() if path.is_file()), key=lambda path: _natural(path.name))


class NetworkCamera:
    """A camera on the network: RTSP over TCP, MJPEG over HTTP, or a video that a server streams."""

    live = True

    def __init__(
        self,
        url: str,
        *,
        timeouts_s: tuple[float, float] = (OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        locate: Callable[[str], Located] | None = None,
    ) -> None:
        """Take the address; `locate` is asked each time before it is opened, and may refuse by `UnavailableError`."""
        self.name = masked(url)
        self._url = url
        self._timeouts_s = timeouts_s
        self._locate = locate

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        """As `Source.grabs`. A camera that is silent for a few seconds counts as broken off."""
        with self.container() as container:
            try:
                yield from _read(container, on_damage)
            except av.error.FFmpegError as error:
                raise UnavailableError(f"{self.name} broke off: {_reason(error)}") from error
        raise UnavailableError(f"{self.name} ended")

    def duration_s(self) -> float:
        """As `Source.duration_s`."""
        return 0.0

    def container(self) -> InputContainer:
        """Connect; raises UnavailableError when the camera does not answer."""
        located = Located(self._url) if self._locate is None else self._locate(self._url)
        scheme = located.url.partition("://")[0].lower()
        options = {**located.options, "protocol_whitelist": _PROTOCOLS[scheme], "format_whitelist": _NETWORK_FORMATS}
        if scheme.startswith("rtsp"):
            options |= {"rtsp_transport": "tcp"}
        try:
            container = av.open(located.url, options=options, timeout=self._timeouts_s, metadata_errors="replace")
            return with_video(container)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UnavailableError(f"{self.name} does not answer: {_reason(error)}") from error


class Webcam:
    """A camera at this machine, by its index."""

    live = True

    def __init__(self, index: int) -> None:
        self.name = f"webcam {index}"
        self._index = index

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        """As `Source.grabs`."""
        camera = cv2.VideoCapture(self._index)
        try:
            if not camera.isOpened():
                raise UnavailableError(f"{self.name} cannot be opened")
            while True:
                taken, picture = camera.read()
                if not taken:
                    raise UnavailableError(f"{self.name} broke off")
                yield Grab(0.0, partial(_encode_bgr, picture))
        finally:
            camera.release()

    def duration_s(self) -> float:
        """As `Source.duration_s`."""
        return 0.0


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


def _read(container: InputContainer, on_damage: Callable[[str], None]) -> Iterator[Grab]:
    """Yield the frames of the first video stream; raises FFmpegError when the container itself breaks."""
    stream = container.streams.video[0]
    clock = MediaClock(_frame_s(stream))
    for packet in container.demux(stream):
        jpeg = whole_jpeg(packet, stream)
        if jpeg is not None:
            yield Grab(clock.tick(_seconds(packet.pts, packet, stream)), partial(EncodedPicture, jpeg, "image/jpeg"))
            continue
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            on_damage(f"a packet cannot be decoded: {_reason(error)}")
            continue
        for frame in frames:
            if not isinstance(frame, VideoFrame):
                continue
            at_s = clock.tick(_seconds(frame.pts, frame, stream))
            if frame.is_corrupt:
                on_damage("a frame is damaged")
                continue
            yield Grab(at_s, partial(encode_frame, frame))


def whole_jpeg(packet: "Packet[VideoStream]", stream: VideoStream) -> bytes | None:
    """Return the packet if it is a JPEG that stands alone (some AVI files leave the Huffman tables out)."""
    if stream.codec_context.name != "mjpeg":
        return None
    data = bytes(packet)
    return data if data.startswith(b"\xff\xd8") and b"\xff\xc4" in data and b"\xff\xd9" in data[-16:] else None


def _frame_s(stream: VideoStream) -> float:
    return float(1 / stream.average_rate) if stream.average_rate else 1 / 25


def _seconds(stamp: int | None, part: "Packet[VideoStream] | VideoFrame", stream: VideoStream) -> float | None:
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
    return _encode_bgr(_upright(frame))


def upright(frame: VideoFrame) -> VideoFrame:
    """Return the frame turned as its source says that it is to be shown; most are so already."""
    turned = round(frame.rotation) % 360 in _ROTATIONS
    return VideoFrame.from_ndarray(_upright(frame).astype(np.uint8), format="bgr24") if turned else frame


def _upright(frame: VideoFrame) -> cv2.typing.MatLike:
    picture = frame.to_ndarray(format="bgr24")
    rotation = round(frame.rotation) % 360
    return cv2.rotate(picture, _ROTATIONS[rotation]) if rotation in _ROTATIONS else picture


def _encode_bgr(picture: cv2.typing.MatLike) -> EncodedPicture:
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return EncodedPicture(jpeg.tobytes(), "image/jpeg")


def _reason(error: BaseException) -> str:
    """Return what went wrong without the address that FFmpeg puts into its messages."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]
