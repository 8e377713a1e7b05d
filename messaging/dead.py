"""Dead letters: what could not be processed, put aside with the reason, so that it blocks nobody."""

from concurrent.futures import Future

from contracts.offsets import SourceOffset
from messaging.producer import Producer
from messaging.records import LogRecord
from settings import Settings

_REASON_BYTES = 2000
_KEY_BYTES = 1000


class DeadLetters:
    """Writes to `frames.dead`: the record, with headers `error`, `attempts` and `source`."""

    def __init__(self, producer: Producer, settings: Settings) -> None:
        self._producer = producer
        self._topic = settings.topic_dead
        self._most_bytes = settings.max_picture_bytes

    def bury(self, record: LogRecord, error: str, attempts: int) -> "Future[SourceOffset]":
        """Put a record aside. One that is too large leaves its value behind; header `dropped_bytes` tells its size.

        Raises:
            UnavailableError: Kafka does not take records now.
        """
        value, key = record.value, record.key
        headers = [
            ("error", error.encode("utf-8", "replace")[:_REASON_BYTES]),
            ("attempts", b"%d" % attempts),
            ("source", str(record.source).encode()),
        ]
        if value is not None and len(value) > self._most_bytes:
            headers.append(("dropped_bytes", b"%d" % len(value)))
            value = None
        return self._producer.send(self._topic, value, key=key[:_KEY_BYTES] if key else None, headers=headers)
