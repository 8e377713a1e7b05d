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
from av.container import InputContainer

from contracts.camera_urls import masked
from contracts.errors import ConfigurationError, UnavailableError
from workers.capture_motion import reduced
from workers.capture_reading import (
    EncodedPicture,
    Grab,
    MediaClock,
    encode_bgr,
    frame_s,
    picture_type,
    read,
    reason_of,
    seconds,
    with_video,
)

log = logging.getLogger(__name__)

FOLDER_FPS = 5.0
"""Pictures a second of a folder, unless another pace is asked for."""

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 8.0, 8.0
_UNDECODED_S = 20.0
FILE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,gif,h264,hevc,mjpeg"
_NETWORK_FORMATS = "rtsp,sdp,rtp,mpjpeg,mjpeg,mpegts,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,h264,hevc"
_PROTOCOLS = {
    "rtsp": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
    "rtsps": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
    "http": "http,https,tcp,tls",
    "https": "http,https,tcp,tls",
}
_TRANSPORTS = {
    "auto": {"rtsp_transport": "tcp+udp", "rtsp_flags": "prefer_tcp"},
    "tcp": {"rtsp_transport": "tcp"},
    "udp": {"rtsp_transport": "udp"},
}

av.logging.set_level(av.logging.PANIC)  # FFmpeg's own lines hold addresses with passwords


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
                yield from read(container, on_damage)
            except av.error.FFmpegError as error:
                log.warning("%s ends early: %s", self.name, error.strerror)

    def duration_s(self) -> float:
        """As `Source.duration_s`, by the times of the packets: what a container says of its length may be wrong."""
        with self.container() as container:
            stream = container.streams.video[0]
            step_s, end_s = frame_s(stream), 0.0
            clock = MediaClock(step_s)
            try:
                for packet in container.demux(stream):
                    if packet.size:
                        end_s = clock.tick(seconds(packet.dts, packet, stream)) + step_s
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
    """A camera on the network: RTSP over TCP or UDP, MJPEG over HTTP, or a video that a server streams."""

    live = True

    def __init__(
        self,
        url: str,
        *,
        timeouts_s: tuple[float, float] = (OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        locate: Callable[[str], Located] | None = None,
        transport: str = "auto",
    ) -> None:
        """Take the address.

        Args:
            url: where the camera is.
            timeouts_s: for connecting, and for each read.
            locate: asked each time before the address is opened; may refuse by `UnavailableError`.
            transport: of RTSP: `tcp`, `udp`, or `auto` for TCP, and UDP where the camera refuses TCP.
        """
        self.name = masked(url)
        self._url = url
        self._timeouts_s = timeouts_s
        self._locate = locate
        self._transport = _TRANSPORTS[transport]

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        """As `Source.grabs`. A camera that is silent for a few seconds counts as broken off."""
        with self.container() as container:
            try:
                yield from read(container, on_damage, _UNDECODED_S)
            except av.error.FFmpegError as error:
                raise UnavailableError(f"{self.name} broke off: {reason_of(error)}") from error
            except UnavailableError as error:
                raise UnavailableError(f"{self.name}: {error}") from error
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
            options |= self._transport
        try:
            container = av.open(located.url, options=options, timeout=self._timeouts_s, metadata_errors="replace")
            return with_video(container)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UnavailableError(f"{self.name} does not answer: {reason_of(error)}") from error


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
                yield Grab(0.0, partial(encode_bgr, picture), partial(reduced, picture))
        finally:
            camera.release()

    def duration_s(self) -> float:
        """As `Source.duration_s`."""
        return 0.0


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]
