"""A record of the log, as the rest of the project sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.offsets import SourceOffset
from contracts.times import from_record_ms


@dataclass(frozen=True)
class LogRecord:
    """One Kafka record: its place, its time stamp in milliseconds since 1970, key, value and headers."""

    source: SourceOffset
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def at(self) -> datetime:
        """The record's time stamp."""
        return from_record_ms(self.timestamp_ms)

    def header(self, name: str) -> bytes | None:
        """Return the first header of that name."""
        return next((value for known, value in self.headers if known == name), None)

    @classmethod
    def from_kafka(cls, record: Any) -> "LogRecord":
        """Build it from kafka-python's `ConsumerRecord`."""
        return cls(
            SourceOffset(record.topic, record.partition, record.offset),
            record.timestamp,
            record.key,
            record.value,
            tuple((name, value) for name, value in record.headers or ()),
        )
