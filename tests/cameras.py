"""A camera of the tests' own: an HTTP server that plays pictures as MJPEG until it is ended."""

import base64
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ops.demo.site import play


class CameraHandler(BaseHTTPRequestHandler):
    """MJPEG without end, until the server dies; `/moved` leads elsewhere."""

    server: "CameraServer"

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.authorization not in (None, self.headers.get("Authorization")):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/inner")
            self.end_headers()
            return
        play(self, self.server.jpegs, self.server.interval_s, self.server.dying)


class CameraServer(ThreadingHTTPServer):
    """Plays `jpegs` over and over to everybody, or to those alone who send `user_and_password` (`user:password`)."""

    daemon_threads = False  # so that closing waits for them

    def __init__(self, port: int, jpegs: Sequence[bytes], interval_s: float, user_and_password: str | None) -> None:
        self.jpegs = jpegs
        self.interval_s = interval_s
        self.authorization: str | None = None
        if user_and_password is not None:
            self.authorization = f"Basic {base64.b64encode(user_and_password.encode()).decode()}"
        self.dying = threading.Event()
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", port), CameraHandler)


@contextmanager
def camera_server(
    jpegs: Sequence[bytes], port: int = 0, *, interval_s: float = 0.05, user_and_password: str | None = None
) -> Iterator[CameraServer]:
    """Serve a camera at `port`, any free one when 0; at the end of the context it is gone at once."""
    with CameraServer(port, jpegs, interval_s, user_and_password) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.dying.set()
            server.shutdown()
    thread.join()
