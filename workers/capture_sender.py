"""Where capture hands its pictures to: a producer of its own, or one that the captures of a process share."""

import threading
from concurrent.futures import Future
from typing import Protocol

from contracts.errors import UnavailableError
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.producer import Producer


class FrameSender(Protocol):
    """The part of `messaging.producer.Producer` that capture needs."""

    def start(self) -> None:
        """Connect."""

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        """Hand over a picture; the future tells its place in the log."""

    def flush(self, timeout_s: float) -> None:
        """Wait until all that was sent is acknowledged."""

    def close(self) -> None:
        """Disconnect."""


class FramesProducer(Producer):
    """The producer, with the topics made where they are missing."""

    def start(self) -> None:
        ensure_topics(self._settings)
        super().start()


class SharedProducer:
    """The process's one producer, lent to each capture: starting and closing it is not theirs."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.connected = threading.Event()

    def start(self) -> None:
        """As `FrameSender.start`: whoever has connected the producer sets `connected`."""
        if not self.connected.is_set():
            raise UnavailableError("Kafka does not answer")

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        """As `FrameSender.send_frame`."""
        return self._producer.send_frame(topic, camera_id, picture, headers)

    def flush(self, timeout_s: float) -> None:
        """As `FrameSender.flush`."""
        self._producer.flush(timeout_s)

    def close(self) -> None:
        """As `FrameSender.close`: others still need it."""
