"""A source's packets cut into chunks: at keyframes, a second or more each; or decoded, thinned and encoded anew."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from contracts.errors import CrowdwatchError
from workers.capture_pace import Thinning
from workers.capture_reading import MediaClock
from workers.media.packing import FORMS, AnyPacket, Encoder, Form, form_for, pack
from workers.media.unpacking import MOST_PICTURES

log = logging.getLogger(__name__)

_LEAST_S = 1.0
_COPIED = {"h264", "hevc", "av1", "vp8", "vp9", "mpeg4"}
"""Codecs that are far smaller than JPEG, so that their packets go into chunks as they are."""


class CannotCopyError(CrowdwatchError):
    """The source's packets cannot be cut into chunks as they are; the message says why."""


@dataclass(frozen=True)
class Cut:
    """A chunk that was cut.

    Attributes:
        data: the container.
        content_type: of which kind.
        frames: number and time in seconds of each picture that is a frame.
        end_s: time of the last picture.
    """

    data: bytes
    content_type: str
    frames: list[tuple[int, float]]
    end_s: float


class Times(Protocol):
    """Tells when pictures were captured, in seconds that rise."""

    def arrived(self) -> None:
        """A packet of video came that will be asked for; without it, pictures are taken to have come when asked for."""

    def of(self, stamps_s: list[float | None]) -> list[float]:
        """Return the time of each of the next pictures, whose stamps these are, in the order of showing."""


class FileTimes:
    """Those of a file: its own stamps, counted from its first picture."""

    def __init__(self, frame_s: float) -> None:
        self._clock = MediaClock(frame_s)

    def arrived(self) -> None:
        """As `Times.arrived`: when a file was read says nothing."""

    def of(self, stamps_s: list[float | None]) -> list[float]:
        """As `Times.of`."""
        return [self._clock.tick(stamp_s) for stamp_s in stamps_s]


class ClockTimes:
    """Those of a camera: when its packets came."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._arrivals: list[float] = []

    def arrived(self) -> None:
        """As `Times.arrived`."""
        self._arrivals.append(self._clock())

    def of(self, stamps_s: list[float | None]) -> list[float]:
        """As `Times.of`."""
        taken = self._arrivals[: len(stamps_s)]
        del self._arrivals[: len(stamps_s)]
        return taken + [self._clock() for _ in stamps_s[len(taken) :]]


def can_copy(video: VideoStream) -> bool:
    """Whether the stream's packets are worth keeping as they are."""
    return _codec(video) in _COPIED


def cut(
    container: InputContainer,
    times: Times,
    thinning: Thinning,
    *,
    copy: bool,
    sound: bool,
    most_bytes: int,
    on_damage: Callable[[str], None],
) -> Iterator[Cut]:
    """Yield a container's chunks, to its end.

    Args:
        container: its first stream of video is taken, and of audio.
        times: tells when each picture was captured.
        thinning: tells which pictures are frames.
        copy: whether packets stay as they are; otherwise the frames alone are encoded anew.
        sound: whether the audio is taken.
        most_bytes: of a chunk.
        on_damage: told of what is left out.

    Raises:
        CannotCopyError: with `copy`, keyframes are too far apart, or packets carry no times.
        FFmpegError: the source broke off.
    """
    video = container.streams.video[0]
    audio = container.streams.audio[0] if sound and container.streams.audio else None
    codec = _codec(video) if copy else "h264"
    form = FORMS[0] if audio is None else form_for(codec, _codec(audio))
    if audio is not None and form is None:
        log.warning("the sound is left out: no container takes %s beside %s", _codec(audio), codec)
        audio = None
    form = form or FORMS[0]
    making: _Copying | _Encoding
    if copy:
        making = _Copying(times, thinning, most_bytes, on_damage, form)
    else:
        making = _Encoding(video, audio, times, thinning, most_bytes, on_damage, form)
    heard: list[AnyPacket] = []
    for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
        if packet.stream is video:
            for made in making.push(packet, heard):
                yield made
                heard.clear()
        elif packet.dts is not None and packet.size:
            heard.append(packet)
            while sum(part.size for part in heard) > most_bytes // 20:  # before the first picture, for instance
                heard.pop(0)
    yield from making.finish(heard)


class _Copying:
    """Gathers packets from one keyframe to the next that is a second or more later."""

    def __init__(
        self, times: Times, thinning: Thinning, most_bytes: int, on_damage: Callable[[str], None], form: Form
    ) -> None:
        self._form = form
        self._times = times
        self._thinning = thinning
        self._most_bytes = most_bytes
        self._on_damage = on_damage
        self._packets: list[AnyPacket] = []
        self._bytes = 0

    def push(self, packet: AnyPacket, sound: list[AnyPacket]) -> Iterator[Cut]:
        """Take the next packet; yield the chunk that it ends, whose sound is `sound`."""
        if not packet.size:
            return
        if packet.pts is None:
            raise CannotCopyError("its packets carry no times")
        if packet.is_keyframe and self._packets and _stamp_s(packet) - _stamp_s(self._packets[0]) >= _LEAST_S:
            yield from self.finish(sound)
        if not self._packets and not packet.is_keyframe:
            self._on_damage("a picture before the first keyframe cannot be decoded")
            return
        if self._packets and packet.pts < (self._packets[0].pts or 0):
            self._on_damage("a picture that leans on one before its keyframe cannot be in a chunk")
            return
        self._times.arrived()
        self._packets.append(packet)
        self._bytes += packet.size
        if len(self._packets) > MOST_PICTURES or self._bytes > self._most_bytes * 0.9:
            raise CannotCopyError(f"{self._bytes} bytes came without a keyframe")

    def finish(self, sound: list[AnyPacket]) -> Iterator[Cut]:
        """Yield the chunk of what was gathered, if there is any."""
        if not self._packets:
            return
        packets, self._packets, self._bytes = self._packets, [], 0
        at_s = self._times.of([float(stamp_s) for stamp_s in sorted(map(_stamp_s, packets))])
        frames = [(number, time_s) for number, time_s in enumerate(at_s) if self._thinning.wants(time_s)]
        yield Cut(pack(packets, sound, self._form), self._form.content_type, frames, at_s[-1])


class _Encoding:
    """Decodes packets and encodes the frames among their pictures, about a second in each chunk."""

    def __init__(
        self,
        video: VideoStream,
        audio: AudioStream | None,
        times: Times,
        thinning: Thinning,
        most_bytes: int,
        on_damage: Callable[[str], None],
        form: Form,
    ) -> None:
        self._form = form
        self._fps = Fraction(video.average_rate or 25)
        self._audio = audio
        self._times = times
        self._thinning = thinning
        self._most_bytes = most_bytes
        self._on_damage = on_damage
        self._encoder: Encoder | None = None
        self._size: tuple[int, int] = (0, 0)
        self._frames: list[tuple[int, float]] = []

    def push(self, packet: AnyPacket, sound: list[AnyPacket]) -> Iterator[Cut]:
        """Take the next packet; yield the chunks that it ends, the first with `sound` as its sound."""
        try:
            decoded = packet.decode()
        except av.error.FFmpegError as error:
            self._on_damage(f"a packet cannot be decoded: {error.strerror}")
            return
        for frame in decoded:
            [at_s] = self._times.of([None if frame.time is None else frame.time])
            if frame.is_corrupt:
                self._on_damage("a frame is damaged")
            elif self._thinning.wants(at_s):
                yield from self._add(frame, at_s, sound)

    def finish(self, sound: list[AnyPacket]) -> Iterator[Cut]:
        """Yield the chunk of what was encoded, if there is any."""
        if self._encoder is None:
            return
        data, frames = self._encoder.finish(sound), self._frames
        self._encoder, self._frames = None, []
        yield Cut(data, self._form.content_type, frames, frames[-1][1])

    def _add(self, frame: VideoFrame, at_s: float, sound: list[AnyPacket]) -> Iterator[Cut]:
        if self._encoder is not None and self._is_over(frame, at_s):
            yield from self.finish(sound)
        if self._encoder is None:
            self._encoder, self._size = Encoder(frame, self._fps, self._audio, self._form), (frame.width, frame.height)
        at_ms = round(1000 * (at_s - self._frames[0][1])) if self._frames else 0
        self._frames.append((len(self._frames), at_s))
        self._encoder.add(frame, max(at_ms, len(self._frames) - 1))

    def _is_over(self, frame: VideoFrame, at_s: float) -> bool:
        assert self._encoder is not None
        full = len(self._frames) >= MOST_PICTURES or self._encoder.size() > self._most_bytes // 2
        return full or at_s - self._frames[0][1] >= _LEAST_S or (frame.width, frame.height) != self._size


def _stamp_s(packet: AnyPacket) -> Fraction:
    assert packet.pts is not None
    assert packet.time_base is not None
    return packet.pts * packet.time_base


def _codec(stream: VideoStream | AudioStream) -> str:
    """Return the codec's own name: decoders have others, such as libdav1d for av1."""
    return stream.codec_context.codec.canonical_name if stream.codec_context else "a codec that is not known"
