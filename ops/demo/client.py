"""A program that speaks to the web as any other would: with a key, over HTTP."""

import http.client
import json
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from contracts.errors import UnavailableError

_TIMEOUT_S = 60.0
_SMALL_WINDOW_BYTES = 4096
_SMALL_SEGMENT_BYTES = 536


class WebClient:
    """Asks the web at `host:port`, with an API key."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host, self._port = host, port
        self._headers = {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """Return the answer, in JSON types.

        Raises:
            UnavailableError: there was none, or it was not one of success.
        """
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, {**self._headers, "Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            text = answer.read().decode()
        except OSError as error:
            raise UnavailableError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise UnavailableError(f"{method} {path} was answered {answer.status}: {text[:200]}")
        found: dict[str, Any] = json.loads(text)
        return found

    def watch(self) -> "Viewer":
        """Open the live stream, and read it from now on."""
        return Viewer(self._host, self._port, self._headers)

    def watch_idly(self) -> socket.socket:
        """Open the live stream, and never read of it: little fits between here and there."""
        family, kind, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SMALL_SEGMENT_BYTES)
        sock.settimeout(_TIMEOUT_S)
        sock.connect(address)
        head = [f"GET /api/live HTTP/1.1\r\nHost: {self._host}:{self._port}"]
        head += [f"{name}: {value}" for name, value in self._headers.items()]
        sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        return sock


class Viewer:
    """A viewer of the live stream, in a thread of its own. `events` is how many it has seen."""

    def __init__(self, host: str, port: int, headers: dict[str, str]) -> None:
        self.events = 0
        self._connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        self._connection.request("GET", "/api/live", headers=headers)
        self._sock: socket.socket = self._connection.sock
        self._answer = self._connection.getresponse()
        if self._answer.status != HTTPStatus.OK:
            raise UnavailableError(f"GET /api/live was answered {self._answer.status}")
        self._thread = threading.Thread(target=self._read, name="demo-viewer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Go."""
        with suppress(OSError):  # the web has gone already
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _read(self) -> None:
        try:
            while line := self._answer.readline():
                self.events += line.startswith(b"event:")
        except (OSError, http.client.HTTPException):
            return
