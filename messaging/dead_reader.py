"""Reading dead letters: newest first to look at them, oldest first to retry them."""

import heapq
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.errors import ContractError, UnreadableError
from contracts.ids import camera_id, camera_id_of_key, fit_text
from contracts.offsets import OffsetRange, SourceOffset
from messaging.dead import (
    ATTEMPTS_HEADER,
    DROPPED_HEADER,
    DROPPED_HEADERS_HEADER,
    DROPPED_KEY_HEADER,
    ERROR_HEADER,
    KEPT_HEADERS,
    ORIGIN_HEADER,
    RETRIED_HEADER,
    SOURCE_HEADER,
)
from messaging.reader import LogReader
from messaging.records import LogRecord
from settings import Settings

_AT_ONCE = 32
_READ_WITHIN_S = 10.0
_SHOWN_CHARS = 2000
_NOT_RETRIED = ("max_age_ms", RETRIED_HEADER)

Positions = Mapping[int, int]
"""An offset of each partition of the topic of dead letters."""


@dataclass(frozen=True)
class DeadLetter:
    """A record that was put aside.

    Attributes:
        place: of the letter itself.
        at: when it was written.
        source: where the record stood; None if the letter does not say so.
        error: why it was put aside.
        attempts: how often it was tried.
        key: of the record.
        size_bytes: of the record's value, also when that was too large to be kept.
        headers: of the record, as far as they are kept.
        camera_id: that the key names.
        dropped: what was too large to be kept, in words.
        value: of the record; None where it was not asked for or not kept.
    """

    place: SourceOffset
    at: datetime
    source: SourceOffset | None
    error: str
    attempts: int | None
    key: bytes | None
    size_bytes: int
    headers: tuple[tuple[str, bytes], ...]
    camera_id: str | None
    dropped: str | None
    value: bytes | None = None

    @classmethod
    def from_record(cls, record: LogRecord, settings: Settings) -> "DeadLetter":
        """Read a letter. Strangers may write into the topic too: what is odd counts as absent."""
        source, dropped_bytes = _source(record.header(SOURCE_HEADER)), _number(record.header(DROPPED_HEADER))
        return cls(
            place=record.source,
            at=record.at,
            source=source,
            error=_text(record.header(ERROR_HEADER)) or "unknown",
            attempts=_number(record.header(ATTEMPTS_HEADER)),
            key=record.key,
            size_bytes=len(record.value or b"") if dropped_bytes is None else dropped_bytes,
            headers=tuple(_originals(record)),
            camera_id=_camera(record.key, source, settings),
            dropped=_dropped(record, dropped_bytes),
            value=record.value,
        )

    def why_not(self, settings: Settings) -> str | None:
        """Return why this letter cannot be retried, None if it can."""
        if self.source is None:
            return "the letter does not say where the record stood"
        if self.source.topic == settings.topic_faces:
            return f"a record of {self.source.topic} is a result, not a frame: repair the program that writes it"
        if self.source.topic == settings.topic_alerts:
            return f"a record of {self.source.topic} is an alert, not a frame: repair the program that writes it"
        if self.source.topic not in retried_topics(settings):
            return (
                f"records of {self.source.topic} are not retried, only those of {', '.join(retried_topics(settings))}"
            )
        return self.dropped

    def to_retry(self) -> list[tuple[str, bytes]]:
        """Return the headers with which it is sent again: without a maximum age, which has passed by now."""
        kept = [(name, value) for name, value in self.headers if name not in _NOT_RETRIED]
        return [*kept, (RETRIED_HEADER, str(self.place).encode())]


def retried_topics(settings: Settings) -> tuple[str, ...]:
    """Return the topics whose records can be retried."""
    return settings.topic_frames, settings.topic_uploads, settings.topic_media


@dataclass(frozen=True)
class Page:
    """Letters, and where the next page starts; `after` is None if there is no more."""

    letters: list[DeadLetter]
    after: Positions | None


class DeadLetterReader:
    """Reads the topic of dead letters by way of a connected reader. Values are read, and dropped unless asked for."""

    def __init__(self, reader: LogReader, settings: Settings) -> None:
        self._reader = reader
        self._settings = settings
        self._topic = settings.topic_dead

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Return, for each partition, the first offset and the one after the last.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        return {number: bounds for (_, number), bounds in self._reader.bounds([self._topic]).items()}

    def get(self, partition: int, offset: int) -> DeadLetter | None:
        """Return a letter with its value, None if there is none at this place, or none any more.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        first, end = self.bounds().get(partition, (0, 0))
        if not first <= offset < end:
            return None
        return next(iter(self._read(partition, OffsetRange(offset, offset + 1), with_values=True)), None)

    def newest(
        self, limit: int, wanted: Callable[[DeadLetter], bool], before: Positions | None = None, within_s: float = 5.0
    ) -> Page:
        """Return up to `limit` letters that are wanted, the newest first, from before these positions on.

        When they are rare it may be fewer, after `within_s`; the next page starts where this one ended.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        bounds = self.bounds()
        at = {number: min(end, (before or {}).get(number, end)) for number, (_, end) in bounds.items()}
        parts = [self._backwards(number, bounds[number][0], at[number]) for number in bounds]
        merged = heapq.merge(*parts, key=lambda letter: letter.at, reverse=True)
        letters: list[DeadLetter] = []
        deadline = time.monotonic() + within_s
        for letter in merged:
            at[letter.place.partition] = letter.place.offset
            if wanted(letter):
                letters.append(letter)
            if len(letters) == limit or time.monotonic() > deadline:
                break
        else:
            return Page(letters, None)
        return Page(letters, at if any(at[number] > first for number, (first, _) in bounds.items()) else None)

    def oldest(self, since: Positions, until: Positions) -> Iterator[DeadLetter]:
        """Yield letters with their values, the oldest first, from `since` on and before `until`.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        for number, (first, end) in self.bounds().items():
            start, stop = max(first, since.get(number, first)), min(end, until.get(number, end))
            while start < stop:
                part = OffsetRange(start, min(start + _AT_ONCE, stop))
                yield from self._read(number, part, with_values=True)
                start = part.stop

    def _backwards(self, partition: int, first: int, before: int) -> Iterator[DeadLetter]:
        while before > first:
            part = OffsetRange(max(first, before - _AT_ONCE), before)
            yield from reversed(list(self._read(partition, part, with_values=False)))
            before = part.start

    def _read(self, partition: int, offsets: OffsetRange, *, with_values: bool) -> Iterator[DeadLetter]:
        """Yield the letters of a range; what is damaged or gone is left out."""
        start = offsets.start
        try:
            for part in self._reader.read_parts(self._topic, partition, offsets, _READ_WITHIN_S):
                for record in part.records:
                    start = record.source.offset + 1
                    letter = DeadLetter.from_record(record, self._settings)
                    yield letter if with_values else replace(letter, value=None)
        except UnreadableError:
            if len(offsets) > 1:  # the others of the range can be read
                for offset in range(start, offsets.stop):
                    yield from self._read(partition, OffsetRange(offset, offset + 1), with_values=with_values)


def parse_place(text: str, topic: str) -> SourceOffset:
    """Read a place in the topic of dead letters: `17`, `0/17` or `frames.dead/0/17`.

    Raises:
        ContractError: it is none of these.
    """
    numbers = text.removeprefix(f"{topic}/").split("/")
    if len(numbers) > 2 or not all(one.isascii() and one.isdigit() and len(one) < 19 for one in numbers):
        raise ContractError(f"expected a dead letter such as 17 or 0/17, got {text!r:.60}")
    return SourceOffset(topic, int(numbers[0]) if len(numbers) == 2 else 0, int(numbers[-1]))


def _originals(record: LogRecord) -> list[tuple[str, bytes]]:
    """Return the headers that the record had, under their own names."""
    kept = []
    for name, value in record.headers:
        if value is not None and name != SOURCE_HEADER and name in (*KEPT_HEADERS, ORIGIN_HEADER):
            kept.append((SOURCE_HEADER if name == ORIGIN_HEADER else name, value))
    return kept


def _camera(key: bytes | None, source: SourceOffset | None, settings: Settings) -> str | None:
    try:
        if source is not None and source.topic in retried_topics(settings):
            return camera_id_of_key(key, source.partition)
        return camera_id(key.decode()) if key else None
    except (ContractError, UnicodeDecodeError):
        return None


def _dropped(record: LogRecord, dropped_bytes: int | None) -> str | None:
    if dropped_bytes is not None:
        return f"its {dropped_bytes} bytes were too large to be kept"
    if (key_bytes := _number(record.header(DROPPED_KEY_HEADER))) is not None:
        return f"its key of {key_bytes} bytes was too large to be kept"
    if (names := _text(record.header(DROPPED_HEADERS_HEADER))) is not None:
        return f"its headers {names} were too large to be kept"
    return None


def _source(value: bytes | None) -> SourceOffset | None:
    topic, *numbers = (_text(value) or "").rsplit("/", 2)
    partition, offset = (_number(one.encode()) for one in numbers) if len(numbers) == 2 else (None, None)
    if partition is None or offset is None:
        return None
    try:
        return SourceOffset(topic, partition, offset)
    except ContractError:
        return None


def _number(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() and len(value) < 19 else None


def _text(value: bytes | None) -> str | None:
    """Return a header that is shown, without control characters."""
    return None if value is None else fit_text(value.decode("utf-8", "replace"), _SHOWN_CHARS)
