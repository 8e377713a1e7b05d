"""Pictures that are sent in, and the results of all frames."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from datetime import datetime, timezone

from contracts.errors import ContractError, UnavailableError
from contracts.faces import FacesRecord
from contracts.frames import FrameHeaders, Origin
from contracts.offsets import OffsetRange, SourceOffset
from messaging.producer import Producer
from settings import Settings
from storage.results import Results
from web.metrics import WebMetrics
from web.services.cursors import decode_place, encode_place
from web.services.enqueuing import Enqueuer
from web.services.log_check import LogCheck
from web.services.readers import ReaderPool
from web.services.recent import RecentResults

log = logging.getLogger(__name__)

_ACKNOWLEDGED_WITHIN_S = 10.0
_READ_WITHIN_S = 5.0
_SLICE_S = 1.0


@dataclass(frozen=True)
class Page:
    """Results, newest first, and the cursor of the next page; None after the last one."""

    items: list[FacesRecord]
    next: str | None


class Frames:
    """Takes pictures into the log, and finds results and pictures by their place in it."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        tasks: Enqueuer,
        results: Results,
        recent: RecentResults,
        logs: LogCheck,
        readers: ReaderPool,
        metrics: WebMetrics,
        stopping: threading.Event,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._topic = settings.topic_uploads
        self._source_topics = (settings.topic_frames, settings.topic_uploads)
        self._producer = producer
        self._tasks = tasks
        self._results = results
        self._recent = recent
        self._logs = logs
        self._readers = readers
        self._metrics = metrics
        self._stopping = stopping
        self._now = now

    def accept(self, picture: bytes, camera_id: str, content_type: str | None) -> SourceOffset:
        """Write a picture to the log and have its task enqueued; return its place once it is acknowledged.

        Raises:
            UnavailableError: Kafka did not acknowledge the picture; it may be processed all the same, later.
        """
        headers = FrameHeaders(captured_at=self._now(), content_type=content_type, origin=Origin.API)
        sent = self._producer.send_frame(self._topic, camera_id, picture, headers)
        try:
            source = sent.result(_ACKNOWLEDGED_WITHIN_S)
        except FutureTimeoutError as error:
            raise UnavailableError(f"Kafka did not acknowledge within {_ACKNOWLEDGED_WITHIN_S:g} s") from error
        self._metrics.pictures.inc()
        self._tasks.put(source)
        return source

    def wait_for(self, source: SourceOffset, wait_s: float) -> FacesRecord | None:
        """Return the result of a frame that was just acknowledged as soon as it is there, None after `wait_s`.

        Results come through the log; MongoDB is asked too, for one that came while the log could not be followed.
        """
        deadline = time.monotonic() + wait_s
        log_id = self._logs.now(source.topic)
        while True:
            left_s = deadline - time.monotonic()
            record = self._recent.wait_for(source, log_id, min(max(left_s, 0.0), _SLICE_S))
            if record is None:
                try:
                    record = self._stored(source, log_id)
                except UnavailableError as error:
                    log.debug("waiting for %s without MongoDB: %s", source, error)
            if record is not None or left_s <= 0 or self._stopping.is_set():
                return record

    def find(self, source: SourceOffset, log_id: str | None = None) -> FacesRecord | None:
        """Return the stored result of a frame, None while there is none.

        Args:
            source: its place.
            log_id: the log that this is a place in; the one that the topic has now if it is left out.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._stored(source, self._logs.now(source.topic) if log_id is None else log_id)

    def _stored(self, source: SourceOffset, log_id: str | None) -> FacesRecord | None:
        record = self._results.get(source, log_id)
        return record if record is not None and self._logs.is_of(record, log_id) else None

    def is_on_its_way(self, source: SourceOffset, log_id: str | None = None) -> bool:
        """Whether a frame without a result is in the log, so that its result will come; arguments are those of `find`.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        if source.topic not in self._source_topics or not self._is_now(source.topic, log_id):
            return False
        with self._readers.borrow() as reader:
            first, end = reader.bounds([source.topic]).get((source.topic, source.partition), (0, 0))
        return first <= source.offset < end

    def newest(self, limit: int, camera_id: str | None, cursor: str | None) -> Page:
        """Return a page of results, the last captured first, of one camera or of all.

        Raises:
            RequestError: 400, the cursor is none that an earlier page gave.
            UnavailableError: MongoDB does not answer.
        """
        found = self._results.newest(limit + 1, camera_id, None if cursor is None else decode_place(cursor))
        items = found[:limit]
        more = len(found) > limit
        return Page(items, encode_place(items[-1].captured_at, str(items[-1].source)) if more else None)

    def picture(self, source: SourceOffset, log_id: str | None = None) -> bytes | None:
        """Return a frame's picture as it was sent, None when the log does not hold it, or no more.

        Arguments are those of `find`.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        if source.topic not in self._source_topics:
            return None
        offsets = OffsetRange(source.offset, source.offset + 1)
        with self._readers.borrow() as reader:
            if (source.topic, source.partition) not in reader.partitions([source.topic]):
                return None
            try:
                read = reader.read_range(source.topic, source.partition, offsets, _READ_WITHIN_S)
            except ContractError:  # never written
                return None
        if not read.records or not self._is_now(source.topic, log_id):
            return None
        return read.records[0].value

    def _is_now(self, topic: str, log_id: str | None) -> bool:
        """Whether a topic has this log now, where one is named and there are ids."""
        return log_id is None or self._logs.now(topic) in (None, log_id)
