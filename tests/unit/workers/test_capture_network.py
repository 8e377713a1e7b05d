"""Live sources against real servers on this machine: MJPEG over HTTP, and RTSP, that stall, die and come back."""

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
import pytest
from prometheus_client import REGISTRY

from contracts.errors import UnavailableError
from contracts.frames import FrameHeaders, Origin
from contracts.offsets import SourceOffset
from settings import Settings
from workers.capture import Capture, CaptureOptions
from workers.capture_sources import NetworkCamera, open_source

JPEGS = [cv2.imencode(".jpg", np.full((48, 64, 3), shade, np.uint8))[1].tobytes() for shade in range(0, 250, 10)]


class Sent:
    """Keeps what it is given, as Kafka would; `accepts` may be cleared to be a Kafka that is away."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, bytes, FrameHeaders]] = []
        self.delay_s = 0.0
        self.accepts = threading.Event()
        self.accepts.set()

    def start(self) -> None: ...

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        if not self.accepts.is_set():
            raise UnavailableError("Kafka does not take records")
        time.sleep(self.delay_s)
        self.records.append((topic, camera_id, picture, headers))
        future: Future[SourceOffset] = Future()
        future.set_result(SourceOffset(topic, 0, len(self.records) - 1))
        return future

    def flush(self, timeout_s: float) -> None: ...

    def close(self) -> None: ...


class MjpegHandler(BaseHTTPRequestHandler):
    """`/endless` goes on until the server dies, `/few` breaks off, `/half` within a picture, `/stall` falls silent."""

    server: "MjpegServer"

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        endless = self.path.startswith("/endless")
        try:
            for number in range(100_000 if endless else 5):
                if self.server.dying.wait(self.server.interval_s):
                    return
                self._part(JPEGS[number % len(JPEGS)])
            if self.path == "/half":
                self.wfile.write(JPEGS[0][:100])
            if self.path == "/stall":
                self.server.dying.wait(20)
        except OSError:
            return

    def _part(self, jpeg: bytes) -> None:
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        self.wfile.write(head + jpeg + b"\r\n")


class MjpegServer(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    interval_s = 0.01

    def __init__(self, port: int) -> None:
        self.dying = threading.Event()
        super().__init__(("127.0.0.1", port), MjpegHandler)


@contextmanager
def mjpeg_server(port: int = 0) -> Iterator[MjpegServer]:
    with MjpegServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.dying.set()
        server.shutdown()
    thread.join()


def camera(server: MjpegServer, path: str, read_timeout_s: float = 2.0) -> NetworkCamera:
    return NetworkCamera(f"http://user:s3cret@127.0.0.1:{server.server_port}{path}", timeouts_s=(2.0, read_timeout_s))


@pytest.mark.parametrize("path", ["/few", "/half"])
def test_mjpeg_passes_unchanged_until_the_stream_breaks_off(path: str) -> None:
    pictures = []
    with mjpeg_server() as server:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1") as caught:
            for grab in camera(server, path).grabs(lambda what: None):
                pictures.append(grab.encode().data)
    assert pictures == JPEGS[:5]
    assert "s3cret" not in str(caught.value) and "user" not in str(caught.value)


def test_a_camera_that_falls_silent_counts_as_broken_off() -> None:
    with mjpeg_server() as server:
        since = time.monotonic()
        with pytest.raises(UnavailableError, match="no answer in time"):
            list(camera(server, "/stall", read_timeout_s=0.3).grabs(lambda what: None))
        assert time.monotonic() - since < 3


def test_nobody_there_is_said_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://user:s3cret@127.0.0.1:{port}/a", f"rtsp://user:s3cret@127.0.0.1:{port}/a?pwd=s3cret"):
        with pytest.raises(UnavailableError, match="does not answer") as caught:
            list(open_source(url).grabs(lambda what: None))
        assert "s3cret" not in str(caught.value)


def test_a_webcam_that_is_not_there_may_come_later() -> None:
    source = open_source("63")
    assert source.live
    with pytest.raises(UnavailableError, match="webcam 63 cannot be opened"):
        list(source.grabs(lambda what: None))


def test_a_page_that_is_no_stream_is_refused() -> None:
    class Page(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n/etc/passwd\n#EXT-X-ENDLIST\n")

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with pytest.raises(UnavailableError, match="does not answer"):
            list(open_source(f"http://127.0.0.1:{server.server_port}/live.m3u8").grabs(lambda what: None))
        server.shutdown()
    thread.join()


def test_capture_comes_back_after_the_camera_died() -> None:
    sent, stop = Sent(), threading.Event()
    with mjpeg_server() as server:
        port = server.server_port
        capture = Capture(Settings(), "gate-1", camera(server, "/endless"), sender=sent)
        runner = threading.Thread(target=capture.run, args=(stop,), kwargs={"timeout_s": 20})
        runner.start()
        wait_until(lambda: len(sent.records) > 5)
        assert capture.ready()["source"]
    wait_until(lambda: not capture.ready()["source"])
    before = len(sent.records)
    with mjpeg_server(port):
        wait_until(lambda: len(sent.records) > before + 5)
        stop.set()
        runner.join()
    capture.close()
    frame_ids = [headers.frame_id for *_, headers in sent.records]
    assert frame_ids == list(range(frame_ids[0] or 0, (frame_ids[0] or 0) + len(frame_ids)))
    assert {headers.origin for *_, headers in sent.records} == {Origin.LIVE}
    assert all(picture in JPEGS for _, _, picture, _ in sent.records)


def test_a_slow_kafka_gets_the_newest_frames_and_no_backlog() -> None:
    sent = Sent()
    sent.delay_s = 0.1
    with mjpeg_server() as server:
        capture = Capture(Settings(), "gate-1", camera(server, "/endless"), sender=sent)
        capture.run(threading.Event(), count=6, timeout_s=10)
        shades = [JPEGS.index(picture) for _, _, picture, _ in sent.records]
        capture.close()
    assert len(shades) == 6
    steps = [(after - before) % len(JPEGS) for before, after in itertools.pairwise(shades)]
    assert sum(steps[1:]) > 8, "between two frames that were sent, others were left out"


def test_a_kafka_that_is_away_does_not_hold_a_live_source_up() -> None:
    sent, stop = Sent(), threading.Event()
    sent.accepts.clear()
    with mjpeg_server() as server:
        capture = Capture(Settings(), "away", camera(server, "/endless"), sender=sent)
        runner = threading.Thread(target=capture.run, args=(stop,))
        runner.start()
        wait_until(lambda: (dropped("away", "kafka") or 0) > 3)
        assert capture.ready() == {"kafka": False, "source": True}
        sent.accepts.set()
        wait_until(lambda: len(sent.records) > 3)
        stop.set()
        runner.join()
        capture.close()


def test_a_silent_camera_does_not_hold_up_the_end() -> None:
    sent, stop = Sent(), threading.Event()
    with mjpeg_server() as server:
        capture = Capture(Settings(), "gate-1", camera(server, "/stall", read_timeout_s=3), sender=sent)
        runner = threading.Thread(target=capture.run, args=(stop,))
        runner.start()
        wait_until(lambda: len(sent.records) > 0)
        stop.set()
        runner.join(2.5)
        assert not runner.is_alive()
        capture.close()
    wait_until(lambda: not any(thread.name == "capture-gate-1" for thread in threading.enumerate()))


def dropped(camera_id: str, reason: str) -> float | None:
    return REGISTRY.get_sample_value("crowdwatch_capture_dropped_total", {"camera": camera_id, "reason": reason})


def test_a_live_source_is_thinned_by_time() -> None:
    sent = Sent()
    with mjpeg_server() as server:
        capture = Capture(Settings(), "gate-1", camera(server, "/endless"), CaptureOptions(fps=10), sender=sent)
        capture.run(threading.Event(), timeout_s=1.0)
        capture.close()
    assert 5 <= len(sent.records) <= 11


def wait_until(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class RtspServer:
    """Enough of RFC 2326 to play MPEG-TS over interleaved TCP (RFC 2250) to one client after the other."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"

    def __enter__(self) -> "RtspServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, client.makefile("rb") as lines:
                self._talk(client, lines)

    def _talk(self, client: socket.socket, lines: BinaryIO) -> None:
        while True:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                line = lines.readline()
                if not line:
                    return
                request += line
            method = request.split(b" ", 1)[0].decode()
            number = request.lower().split(b"cseq:")[1].split(b"\r\n")[0].strip().decode()
            head, body = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n", ""
            if method == "DESCRIBE":
                body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=t\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
                head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                head += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            elif method == "OPTIONS":
                head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            client.sendall((head + "\r\n" + body).encode())
            if method == "PLAY":
                self._play(client)
                return

    def _play(self, client: socket.socket) -> None:
        chunk = 7 * 188
        for number, start in enumerate(range(0, len(self._stream), chunk)):
            payload = self._stream[start : start + chunk]
            packet = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, number * 900, 1) + payload
            client.sendall(b"$\x00" + struct.pack(">H", len(packet)) + packet)


def test_rtsp_is_played(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10", "threads": "1"}
        for index in range(60):
            picture = np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    pictures = []
    with RtspServer(path.read_bytes()) as server:
        with pytest.raises(UnavailableError):
            for grab in NetworkCamera(server.url, timeouts_s=(4.0, 2.0)).grabs(lambda what: None):
                pictures.append(grab.encode())
    assert len(pictures) > 30 and {picture.content_type for picture in pictures} == {"image/jpeg"}
