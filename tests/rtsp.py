"""An RTSP camera of the tests' own: H.264 by RTP (RFC 6184) over TCP or UDP, with RTCP sender reports (RFC 3550)."""

import base64
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

_NTP_EPOCH_S = 2_208_988_800
_CLOCK_HZ = 90_000
_FIRST_RTP_TIME = 4_294_000_000
"""So that it overflows within the first ten seconds, as it does somewhere with every camera."""


def encoded(pictures: Sequence[NDArray[np.uint8]], fps: int = 10) -> list[list[bytes]]:
    """Return pictures as H.264, each as its NAL units; every picture can be decoded alone."""
    height, width = pictures[0].shape[:2]
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, fps), Fraction(fps)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "1", "threads": "1"}
    packets = []
    for picture in pictures:
        packets += codec.encode(av.VideoFrame.from_ndarray(picture, format="bgr24"))
    packets += codec.encode()
    return [[unit for unit in re.split(b"\x00\x00\x00?\x01", bytes(packet)) if unit] for packet in packets]


class RtspServer:
    """Plays access units over and over to one client after the other, at `fps`, until it is closed.

    Args:
        units: NAL units of each picture.
        fps: pictures a second.
        clock: returns the camera's time in seconds since 1970, for its sender reports; None for none.
        transports: those that the camera speaks; it answers 461 to others.
    """

    def __init__(
        self,
        units: Sequence[Sequence[bytes]],
        *,
        fps: int = 10,
        clock: Callable[[], float] | None = None,
        transports: Sequence[str] = ("tcp", "udp"),
    ) -> None:
        self._units = units
        self._fps = fps
        self._clock = clock
        self._transports = transports
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._dying = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="rtsp")
        self._client: socket.socket | None = None
        self.played: list[str] = []
        """The transport of each client that was played to."""

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"

    def __enter__(self) -> "RtspServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._dying.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        client = self._client
        if client is not None:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join()

    def _serve(self) -> None:
        while not self._dying.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._client = client
            with client, client.makefile("rb") as lines:
                try:
                    self._talk(client, lines)
                except OSError:
                    continue

    def _talk(self, client: socket.socket, lines: BinaryIO) -> None:
        ports: tuple[int, int] | None = None
        while True:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                line = lines.readline()
                if not line:
                    return
                request += line
            method = request.split(b" ", 1)[0].decode()
            number = re.search(rb"(?i)cseq: *(\d+)", request)
            status, body, head = "200 OK", "", f"CSeq: {number[1].decode() if number else 0}\r\nSession: 1\r\n"
            if method == "DESCRIBE":
                body = self._description()
                head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                asked = re.search(rb"client_port=(\d+)-(\d+)", request)
                ports = (int(asked[1]), int(asked[2])) if asked else None
                if ("udp" if ports else "tcp") not in self._transports:
                    status, ports = "461 Unsupported Transport", None
                elif ports:
                    head += f"Transport: RTP/AVP;unicast;client_port={ports[0]}-{ports[1]};server_port=6970-6971\r\n"
                else:
                    head += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            elif method == "OPTIONS":
                head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            client.sendall(f"RTSP/1.0 {status}\r\n{head}\r\n{body}".encode())
            if method == "PLAY":
                self.played.append("udp" if ports else "tcp")
                self._play(client, ports)
                return

    def _description(self) -> str:
        parameters = [unit for unit in self._units[0] if unit[0] & 31 in (7, 8)]
        sprop = ",".join(base64.b64encode(unit).decode() for unit in parameters)
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=t\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
            f"a=rtpmap:96 H264/{_CLOCK_HZ}\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets={sprop}\r\n"
            "a=control:track\r\n"
        )

    def _play(self, client: socket.socket, ports: tuple[int, int] | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            client.settimeout(5)

            def send(channel: int, packet: bytes) -> None:
                if ports is None:
                    client.sendall(b"$" + bytes([channel]) + struct.pack(">H", len(packet)) + packet)
                else:
                    datagrams.sendto(packet, ("127.0.0.1", ports[channel]))

            began_s, sequence, number = time.monotonic(), 0, 0
            began_at_s = None if self._clock is None else self._clock()
            while not self._dying.wait(max(0.0, began_s + number / self._fps - time.monotonic())):
                if select.select([client], [], [], 0)[0]:
                    request = client.recv(65536)
                    if not request or b"TEARDOWN" in request:
                        return
                stamp = (_FIRST_RTP_TIME + number * _CLOCK_HZ // self._fps) & 0xFFFFFFFF
                if began_at_s is not None and number % self._fps == 0:
                    send(1, _report(began_at_s + number / self._fps, stamp, sequence))
                units = self._units[number % len(self._units)]
                for unit in units:
                    marker = 0x80 if unit is units[-1] else 0
                    send(0, struct.pack(">BBHII", 0x80, marker | 96, sequence & 0xFFFF, stamp, 7) + unit)
                    sequence += 1
                number += 1


def _report(at_s: float, stamp: int, packets: int) -> bytes:
    """Return a sender report: a picture with this RTP time stamp was taken at this time."""
    ntp = round((at_s + _NTP_EPOCH_S) * 2**32) & 0xFFFFFFFFFFFFFFFF
    return struct.pack(">BBHIQIII", 0x80, 200, 6, 7, ntp, stamp, packets, 0)
