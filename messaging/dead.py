"""Dead letters: what could not be processed, put aside with the reason, so that it blocks nobody."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from prometheus_client import Counter

from contracts.errors import ContractError, UnavailableError
from contracts.frames import Frame, FrameHeaders
from contracts.offsets import SourceOffset
from messaging.producer import Producer
from messaging.records import LogRecord
from settings import Settings

log = logging.getLogger(__name__)

ERROR_HEADER = "error"
ATTEMPTS_HEADER = "attempts"
SOURCE_HEADER = "source"
ORIGIN_HEADER = "origin"
"""The original's header `source`: that name says here where the record stood."""

RETRIED_HEADER = "retried"
"""On a record that was retried: the place of its dead letter."""

DROPPED_HEADER = "dropped_bytes"
DROPPED_KEY_HEADER = "dropped_key_bytes"
DROPPED_HEADERS_HEADER = "dropped_headers"

KEPT_HEADERS = (
    *("frame_id", "captured_at", "content-type", "source", "max_age_ms", "chunk", "frames", "traceparent"),
    RETRIED_HEADER,
)
"""Headers of a record that its dead letter repeats, so that it can be retried."""

_REASON_BYTES = 2000
_KEY_BYTES = 1000
_HEADERS_BYTES = 128 * 1024
_TRIES = 3
_TAKEN_WITHIN_S = 30.0

LOST = Counter("crowdwatch_dead_letters_lost", "Dead letters that Kafka did not take; the log names the records")


class DeadLetters:
    """Writes to `frames.dead`: the record with its key and headers, and the headers `error`, `attempts` and `source`.

    What is too large stays behind: `dropped_bytes`, `dropped_key_bytes` and `dropped_headers` say what.
    """

    def __init__(self, producer: Producer, settings: Settings) -> None:
        self._producer = producer
        self._topic = settings.topic_dead
        self._most_bytes = settings.max_picture_bytes
        self._frame_topics = (settings.topic_frames, settings.topic_uploads)
        self._media_topic = settings.topic_media

    def bury_all(self, refused: Sequence[tuple[LogRecord, str]], attempts: int = 1) -> None:
        """Put records aside, each with its error, and wait until Kafka has them.

        One that Kafka does not take within half a minute is logged, counted and given up: it must not hold up others.
        """
        left, deadline = list(refused), time.monotonic() + _TAKEN_WITHIN_S
        for _ in range(_TRIES):
            if left and time.monotonic() < deadline:
                left = self._try(left, attempts, deadline)
        for record, error in left:
            LOST.inc()
            log.error("%s has no dead letter, Kafka does not take it; the record failed with: %s", record.source, error)

    def _try(self, refused: list[tuple[LogRecord, str]], attempts: int, deadline: float) -> list[tuple[LogRecord, str]]:
        """Send the letters once; return the records whose letters were refused."""
        left: list[tuple[LogRecord, str]] = []
        sent: list[tuple[Future[SourceOffset], tuple[LogRecord, str]]] = []
        for record, error in refused:
            try:
                sent.append((self._bury(record, error, attempts), (record, error)))
            except UnavailableError as problem:
                log.warning("cannot put %s aside: %s", record.source, problem)
                left += refused[len(sent) :]
                break
        for future, letter in sent:
            try:
                future.result(timeout=max(0.0, deadline - time.monotonic()))
            except FutureTimeoutError:  # the producer may deliver it yet: another try would make two letters
                LOST.inc()
                log.error("the dead letter of %s is not acknowledged; it failed with: %s", letter[0].source, letter[1])
            except UnavailableError as problem:
                log.warning("cannot put %s aside: %s", letter[0].source, problem)
                left.append(letter)
        return left

    def _bury(self, record: LogRecord, error: str, attempts: int) -> "Future[SourceOffset]":
        value, key = record.value, record.key
        headers = [
            (ERROR_HEADER, error.encode("utf-8", "replace")[:_REASON_BYTES]),
            (ATTEMPTS_HEADER, b"%d" % attempts),
            (SOURCE_HEADER, str(record.source).encode()),
        ]
        if value is not None and len(value) > self._most_bytes:
            headers.append((DROPPED_HEADER, b"%d" % len(value)))
            value = None
        if key is not None and len(key) > _KEY_BYTES:
            headers.append((DROPPED_KEY_HEADER, b"%d" % len(key)))
            key = key[:_KEY_BYTES]
        return self._producer.send(self._topic, value, key=key, headers=[*headers, *self._original(record)])

    def _original(self, record: LogRecord) -> list[tuple[str, bytes]]:
        """Return the headers of the record that a retry needs, with the defaults that a new place would change."""
        kept, dropped, left = list[tuple[str, bytes]](), set[str](), _HEADERS_BYTES
        for name, value in record.headers:
            if name not in KEPT_HEADERS or value is None:
                continue
            if len(value) > left:
                dropped.add(name)
            else:
                left -= len(value)
                kept.append((ORIGIN_HEADER if name == SOURCE_HEADER else name, value))
        if dropped:
            kept.append((DROPPED_HEADERS_HEADER, ",".join(sorted(dropped)).encode()))
        return [*kept, *self._defaults(record)]

    def _defaults(self, record: LogRecord) -> list[tuple[str, bytes]]:
        """Return the number and time that the frame had by its place in the log."""
        given = FrameHeaders.decode(record.headers)
        frame_id, captured_at = given.frame_id, given.captured_at or record.at
        if record.source.topic in self._frame_topics:
            frame_id = record.source.offset if frame_id is None else frame_id
            try:
                captured_at = self._frame(record).captured_at
            except ContractError:
                pass
        elif record.source.topic != self._media_topic or (record.value or b"").startswith(b"{"):
            return []  # a chunk in JSON holds its own time
        filled = FrameHeaders(
            frame_id=frame_id if frame_id != given.frame_id else None,
            captured_at=captured_at if captured_at != given.captured_at else None,
        )
        return filled.encode()

    @staticmethod
    def _frame(record: LogRecord) -> Frame:
        return Frame.from_record(
            record.source, key=record.key, value=None, headers=record.headers, timestamp_ms=record.timestamp_ms
        )
