"""A record of the log, as the rest of the project sees it."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.offsets import SourceOffset
from contracts.times import AHEAD_AT_MOST, EARLIEST, from_record_ms

_EARLIEST_MS = int(EARLIEST.timestamp() * 1000)
_AHEAD_AT_MOST_MS = int(AHEAD_AT_MOST.total_seconds() * 1000)


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
        """Build it from kafka-python's `ConsumerRecord`.

        Where producers set the time stamps of a topic, one that cannot be right counts as the time of reading.
        """
        now_ms, stamp_ms = time.time_ns() // 1_000_000, record.timestamp
        return cls(
            SourceOffset(record.topic, record.partition, record.offset),
            stamp_ms if _EARLIEST_MS <= stamp_ms <= now_ms + _AHEAD_AT_MOST_MS else now_ms,
            record.key,
            record.value,
            tuple((name, value) for name, value in record.headers or ()),
        )
