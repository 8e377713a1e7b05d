"""Chunks as they are made: packets as they are, or pictures encoded as H.264; in a container that takes the sound."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame

from workers.capture_reading import upright

AnyPacket: TypeAlias = "Packet[Any]"


@dataclass(frozen=True)
class Form:
    """A container's format, by FFmpeg's name of it."""

    name: str
    content_type: str


FORMS = (Form("matroska", "video/x-matroska"), Form("mov", "video/quicktime"))
"""The first that takes the codecs is used: the second takes the G.711 of many cameras."""

_MILLISECONDS = Fraction(1, 1000)
_H264 = {"preset": "veryfast", "crf": "21", "bf": "0"}
"""Quality as measured in docs/concepts/media.md. Without B-frames pictures leave in the order in which they come."""


def form_for(*codecs: str) -> Form | None:
    """Return the form of chunks that take these codecs, None when there is none."""
    return next((form for form in FORMS if _supported(form).issuperset(codecs)), None)


@functools.cache
def _supported(form: Form) -> frozenset[str]:
    with av.open(io.BytesIO(), "w", format=form.name) as container:
        return frozenset(container.supported_codecs)


def pack(video: Sequence[AnyPacket], audio: Sequence[AnyPacket], form: Form) -> bytes:
    """Return a chunk of packets that stay as they are, but for their times, which are counted from the earliest.

    Args:
        video: of one stream, in the order in which they are decoded, the first a keyframe; each says when it is shown.
        audio: of one stream and the same span, or none.
        form: one that takes both.
    """
    _complete(video)
    packets = sorted([*video, *audio], key=decoding_s)
    base_s = decoding_s(packets[0])
    out = io.BytesIO()
    with av.open(out, "w", format=form.name) as container:
        streams = {
            part[0].stream: container.add_stream_from_template(part[0].stream) for part in (video, audio) if part
        }
        for packet in packets:
            _shift(packet, base_s)
            packet.stream = streams[packet.stream]
            container.mux(packet)
    return out.getvalue()


def decoding_s(packet: AnyPacket) -> Fraction:
    """Return when a packet is to be decoded, in seconds by its stream's clock."""
    assert packet.dts is not None
    assert packet.time_base is not None
    return packet.dts * packet.time_base


class Encoder:
    """Makes a chunk of pictures, which are encoded as they come; a new one for each chunk."""

    def __init__(self, first: VideoFrame, fps: Fraction, audio: AudioStream | None, form: Form) -> None:
        """Begin a chunk of pictures of the size of `first`, about `fps` a second, with the sound of `audio`."""
        self._out = io.BytesIO()
        self._container = av.open(self._out, "w", format=form.name)
        self._video = self._container.add_stream("libx264", rate=fps, options=_H264)
        picture = upright(first)
        self._video.width, self._video.height = picture.width, picture.height
        even = picture.width % 2 == 0 and picture.height % 2 == 0
        self._video.pix_fmt = "yuv420p" if even else "yuv444p"  # the first halves the colours' width and height
        self._video.codec_context.time_base = _MILLISECONDS
        self._audio = None if audio is None else self._container.add_stream_from_template(audio)

    def add(self, frame: VideoFrame, at_ms: int) -> None:
        """Add a picture, shown `at_ms` after the first; times rise."""
        picture = upright(frame).reformat(format=self._video.pix_fmt)
        picture.pts, picture.time_base, picture.pict_type = at_ms, _MILLISECONDS, 0
        self._container.mux(self._video.encode(picture))

    def size(self) -> int:
        """Bytes so far; some pictures are still within the encoder."""
        return self._out.tell()

    def finish(self, audio: Sequence[AnyPacket]) -> bytes:
        """Return the chunk with its sound, whose times are counted from its own first packet."""
        self._container.mux(self._video.encode())
        if self._audio is not None and audio:
            base_s = decoding_s(audio[0])
            for packet in audio:
                _shift(packet, base_s)
                packet.stream = self._audio
                self._container.mux(packet)
        self._container.close()
        return self._out.getvalue()


def _complete(video: Sequence[AnyPacket]) -> None:
    """Say when each picture is to be decoded, where the source does not: Matroska tells when each is shown alone."""
    if all(packet.dts is not None for packet in video):
        return
    shown = [packet.pts or 0 for packet in video]
    in_order = sorted(shown)
    lead = max(turn - pts for turn, pts in zip(in_order, shown, strict=True))
    for packet, turn in zip(video, in_order, strict=True):
        packet.dts = turn - lead


def _shift(packet: AnyPacket, base_s: Fraction) -> None:
    assert packet.time_base is not None
    base = round(base_s / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts - base
    packet.dts = None if packet.dts is None else packet.dts - base
