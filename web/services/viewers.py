"""Live viewers: one thread writes each event, encoded once, to the sockets of all whom it concerns."""

import json
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from web.errors import RequestError
from web.metrics import WebMetrics

log = logging.getLogger(__name__)

_QUEUED_BYTES = 1024 * 1024
_SIGN_OF_LIFE_S = 10.0
_STUCK_S = 60.0
_RETRY_AFTER_S = 10
_JOIN_S = 5.0
_SIGN_OF_LIFE = b": still here\n\n"


class HandedOver(BaseException):
    """The socket of a request belongs to `Viewers` from now on: the server is neither to write to it nor to close it.

    No `Exception`, so that no handler on the way to the server takes it for a failure.
    """


@dataclass(frozen=True)
class _Event:
    """One event as it goes over the wire, and the camera that it concerns."""

    camera_id: str
    body: bytes


@dataclass(eq=False)
class _Viewer:
    """One viewer's socket, and what it has not taken yet: the first piece may have begun, the others wait whole."""

    sock: socket.socket
    camera_id: str | None
    chunked: bool
    unsent: deque[bytes] = field(default_factory=deque)
    unsent_bytes: int = 0
    progress_s: float = 0.0


class Viewers:
    """The live viewers of this process, `limit` at most.

    A viewer that is too slow misses the oldest events, never the newest; one that takes nothing for a minute is let go.
    """

    def __init__(self, limit: int, metrics: WebMetrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._lock = threading.Lock()
        self._joining: list[_Viewer] = []
        self._events: list[_Event] = []
        self._viewers: set[_Viewer] = set()
        self._stop = threading.Event()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="web-viewers", daemon=True)

    def start(self) -> None:
        """Begin to write, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """End every stream; viewers connect anew, to whoever serves then."""
        self._stop.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def check_room(self) -> None:
        """Return when one more viewer may join.

        Raises:
            RequestError: 503, there are as many as this process takes.
        """
        with self._lock:
            count = len(self._viewers) + len(self._joining)
        if count >= self._limit:
            raise RequestError(
                503,
                f"{self._limit} viewers are connected, as many as fit; poll /api/frames instead",
                code="too_many_viewers",
                retry_after_s=_RETRY_AFTER_S,
            )

    def adopt(self, sock: socket.socket, camera_id: str | None, *, chunked: bool) -> None:
        """Write events of one camera, or of all, to a socket on which the head of the answer was sent, and close it.

        `chunked` says that the answer's body is in HTTP/1.1's chunks.
        """
        sock.setblocking(False)
        with self._lock:
            self._joining.append(_Viewer(sock, camera_id, chunked, progress_s=time.monotonic()))
        self._wake()

    def publish(self, kind: str, key: str, camera_id: str, data: Mapping[str, Any]) -> None:
        """Send an event of this kind, with its id, to each viewer that it concerns."""
        if not self._viewers and not self._joining:
            return
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            self._events.append(_Event(camera_id, f"id: {key}\nevent: {kind}\ndata: {text}\n\n".encode()))
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it is awake anyway
            self._waker.send(b"\0")

    def _run(self) -> None:
        said_s = time.monotonic()
        try:
            while not self._stop.is_set():
                for key, ready in self._selector.select(max(0.0, said_s + _SIGN_OF_LIFE_S - time.monotonic())):
                    self._serve(key.data, ready)
                with self._lock:
                    events, self._events = self._events, []
                    joining, self._joining = self._joining, []
                    self._viewers.update(joining)
                for viewer in joining:
                    self._selector.register(viewer.sock, selectors.EVENT_READ, viewer)
                if joining:
                    self._metrics.viewers.set(len(self._viewers))
                if events:
                    self._send(events)
                if time.monotonic() - said_s >= _SIGN_OF_LIFE_S:
                    said_s = time.monotonic()
                    for viewer in tuple(self._viewers):
                        self._write(viewer, _frame(_SIGN_OF_LIFE, viewer.chunked), 0)
        finally:
            for viewer in (*self._viewers, *self._joining):
                with suppress(OSError):
                    viewer.sock.send(_frame(b"", viewer.chunked))
                viewer.sock.close()

    def _serve(self, viewer: _Viewer | None, ready: int) -> None:
        """Act on a socket that is ready: go on writing, or see that the viewer went."""
        try:
            if viewer is None:
                self._woken.recv(4096)
            elif ready & selectors.EVENT_WRITE:
                self._flush(viewer)
            elif not viewer.sock.recv(4096):
                self._drop(viewer)
        except BlockingIOError:
            return
        except OSError:
            if viewer is not None:
                self._drop(viewer)

    def _send(self, events: list[_Event]) -> None:
        """Write events to all whom they concern; what several viewers get is put together once."""
        pieces: dict[tuple[str | None, bool], tuple[bytes, int]] = {}
        for viewer in tuple(self._viewers):
            audience = (viewer.camera_id, viewer.chunked)
            if audience not in pieces:
                bodies = [event.body for event in events if viewer.camera_id in (None, event.camera_id)]
                pieces[audience] = (_frame(b"".join(bodies), viewer.chunked) if bodies else b"", len(bodies))
            piece, count = pieces[audience]
            if piece:
                self._write(viewer, piece, count)

    def _write(self, viewer: _Viewer, piece: bytes, events: int) -> None:
        """Write a piece that holds so many events, or keep it until the socket takes more."""
        viewer.unsent.append(piece)
        viewer.unsent_bytes += len(piece)
        self._metrics.results_streamed.inc(events)
        if len(viewer.unsent) == 1:
            try:
                self._flush(viewer)
            except OSError:
                self._drop(viewer)
        elif time.monotonic() - viewer.progress_s > _STUCK_S:
            self._drop(viewer)
        else:
            while viewer.unsent_bytes > _QUEUED_BYTES and len(viewer.unsent) > 2:
                viewer.unsent_bytes -= len(viewer.unsent[1])  # the first may have begun
                del viewer.unsent[1]
                self._metrics.results_dropped.inc()

    def _flush(self, viewer: _Viewer) -> None:
        """Write what waits, as much as the socket takes.

        Raises:
            OSError: the viewer is gone.
        """
        while viewer.unsent:
            piece = viewer.unsent.popleft()
            try:
                sent = viewer.sock.send(piece)
            except BlockingIOError:
                sent = 0
            viewer.unsent_bytes -= sent
            if sent:
                viewer.progress_s = time.monotonic()
            if sent < len(piece):
                viewer.unsent.appendleft(piece[sent:])
                self._selector.modify(viewer.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, viewer)
                return
        if self._selector.get_key(viewer.sock).events & selectors.EVENT_WRITE:
            self._selector.modify(viewer.sock, selectors.EVENT_READ, viewer)

    def _drop(self, viewer: _Viewer) -> None:
        if viewer in self._viewers:
            self._selector.unregister(viewer.sock)
            viewer.sock.close()
            with self._lock:
                self._viewers.discard(viewer)
            self._metrics.viewers.set(len(self._viewers))


def _frame(body: bytes, chunked: bool) -> bytes:
    """Return a piece of an answer's body as it goes over the wire; an empty piece ends a chunked one."""
    return b"%X\r\n%b\r\n" % (len(body), body) if chunked else body
