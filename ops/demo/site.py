"""What the demo has of the world outside: a camera and a receiver of notifications, at an address of its own."""

import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_FRAME_EVERY_S = 0.2
_MOST_BYTES = 1024 * 1024


class Site(ThreadingHTTPServer):
    """Plays pictures as MJPEG to whoever asks, until it is unplugged, and keeps what is posted to it."""

    daemon_threads = True

    def __init__(self, pictures: Sequence[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pictures = pictures
        self.unplugged = threading.Event()
        self.received: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def site(pictures: Sequence[bytes]) -> Iterator[Site]:
    """Serve the camera and the receiver at any free port of loopback."""
    with Site(pictures) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="demo-site", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.unplugged.set()
            server.shutdown()
            thread.join()


def play(handler: BaseHTTPRequestHandler, pictures: Sequence[bytes], every_s: float, ended: threading.Event) -> None:
    """Answer with JPEGs as MJPEG, one every so many seconds, over and over, until it is ended or nobody watches."""
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    handler.end_headers()
    coming = itertools.cycle(pictures)
    try:
        while not ended.wait(every_s):
            picture = next(coming)
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
            handler.wfile.write(head + picture + b"\r\n")
    except OSError:  # who watched has gone
        return


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.server.unplugged.is_set():
            self.send_error(503)
            return
        play(self, self.server.pictures, _FRAME_EVERY_S, self.server.unplugged)

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length", 0)), _MOST_BYTES)
        self.server.received.append(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()
