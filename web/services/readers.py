"""Readers of the log, lent to the threads that answer requests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from contracts.errors import UnavailableError
from messaging.reader import LogReader
from settings import Settings

_IDLE_LIMIT = 8
_CONNECT_TIMEOUT_S = 3.0


class ReaderPool:
    """Lends each reader to one thread at a time, and keeps a few connected between uses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = (
            settings.topic_chat,
            settings.topic_faces,
            settings.topic_frames,
            settings.topic_uploads,
            settings.topic_dead,
        )
        self._lock = threading.Lock()
        self._idle: list[LogReader] = []
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[LogReader]:
        """Lend a connected reader. One that fails while it is lent is not used again.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        reader = self._take()
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        self._give_back(reader)

    def close(self) -> None:
        """Disconnect the idle readers; those that are lent are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()

    def _take(self) -> LogReader:
        with self._lock:
            if self._closed:
                raise UnavailableError("the web role is stopping")
            if self._idle:
                return self._idle.pop()
        reader = LogReader(self._settings)
        try:
            reader.start(_CONNECT_TIMEOUT_S, self._topics)
        except BaseException:
            reader.close()
            raise
        return reader

    def _give_back(self, reader: LogReader) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_LIMIT:
                self._idle.append(reader)
                return
        reader.close()
