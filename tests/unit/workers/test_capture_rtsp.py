"""RTSP cameras: over TCP and UDP, with and without a clock of their own."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from threading import Event

import cv2
import numpy as np
import pytest

from contracts.errors import UnavailableError
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from settings import Settings
from tests.rtsp import RtspServer, encoded
from workers.capture import Capture, CaptureOptions
from workers.capture_sources import NetworkCamera

SHADES = range(20, 220, 20)
UNITS = encoded([np.full((48, 64, 3), shade, np.uint8) for shade in SHADES])


class Kafka:
    def __init__(self) -> None:
        self.sent: list[tuple[bytes, FrameHeaders, datetime]] = []

    def start(self) -> None: ...

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        self.sent.append((picture, headers, datetime.now(timezone.utc)))
        future: Future[SourceOffset] = Future()
        future.set_result(SourceOffset(topic, 0, len(self.sent)))
        return future

    def flush(self, timeout_s: float) -> None: ...

    def close(self) -> None: ...


def captured(
    clock: Callable[[], float] | None, max_age_ms: int | None = None, count: int = 10
) -> list[tuple[bytes, FrameHeaders, datetime]]:
    """Return what is sent of a camera with this clock, after those that were buffered while it was opened."""
    kafka = Kafka()
    with RtspServer(UNITS, clock=clock) as server:
        source = NetworkCamera(server.url, timeouts_s=(8.0, 4.0))
        capture = Capture(Settings(), "gate-1", source, CaptureOptions(max_age_ms=max_age_ms), sender=kafka)
        capture.run(Event(), count=count + 5, timeout_s=40)
    assert len(kafka.sent) >= count + 5
    return kafka.sent[5:]


@pytest.mark.parametrize(
    ("transport", "speaks", "played"),
    [
        ("auto", ("tcp", "udp"), "tcp"),
        ("auto", ("udp",), "udp"),
        ("tcp", ("tcp",), "tcp"),
        ("udp", ("tcp", "udp"), "udp"),
    ],
)
def test_the_video_comes_by_the_transport_that_is_wanted(transport: str, speaks: tuple[str, ...], played: str) -> None:
    shades = []
    with RtspServer(UNITS, transports=speaks) as server:
        for grab in NetworkCamera(server.url, timeouts_s=(8.0, 4.0), transport=transport).grabs(lambda what: None):
            picture = cv2.imdecode(np.frombuffer(grab.encode().data, np.uint8), cv2.IMREAD_GRAYSCALE)
            shades.append(round(float(picture.mean()) / 20) * 20)
            if len(shades) == 12:
                break
        assert server.played == [played]
    assert set(shades) <= set(SHADES) and len(set(shades)) > 5


def test_a_camera_that_does_not_speak_the_transport_says_so() -> None:
    with RtspServer(UNITS, transports=("udp",)) as server:
        with pytest.raises(UnavailableError, match="does not answer"):
            next(NetworkCamera(server.url, timeouts_s=(4.0, 4.0), transport="tcp").grabs(lambda what: None))
        assert server.played == []


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=-2), timedelta(minutes=2), timedelta(hours=3)])
def test_frames_bear_the_time_of_their_sender(ahead: timedelta) -> None:
    sent = captured(lambda: time.time() + ahead.total_seconds())
    times = [headers.captured_at for _, headers, _ in sent if headers.captured_at]
    for captured_at, (_, _, arrived_at) in zip(times, sent, strict=True):
        assert timedelta(seconds=-0.1) < arrived_at + ahead - captured_at < timedelta(seconds=8)
    for before, after in itertools.pairwise(times):
        frames = (after - before) / timedelta(seconds=0.1)
        assert frames == pytest.approx(round(frames), abs=0.03), "as they were taken, though they came in a burst"


@pytest.mark.parametrize("clock", [None, lambda: time.monotonic()], ids=["no reports", "a clock that was never set"])
def test_frames_of_a_camera_without_a_clock_bear_the_time_of_their_arrival(clock: Callable[[], float] | None) -> None:
    for _, headers, arrived_at in captured(clock):
        assert headers.captured_at is not None
        assert timedelta(0) <= arrived_at - headers.captured_at < timedelta(seconds=2)


def test_the_maximum_age_counts_from_the_arrival() -> None:
    for _, headers, arrived_at in captured(lambda: time.time() - 7200, max_age_ms=500):
        assert headers.captured_at is not None and headers.max_age_ms is not None
        until = headers.captured_at + timedelta(milliseconds=headers.max_age_ms)
        assert timedelta(0) < until - arrived_at <= timedelta(milliseconds=510)
