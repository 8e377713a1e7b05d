"""Dead letters: looked at, and sent again to the topics that they come from.

The command line uses this too.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from contracts.errors import UnavailableError
from contracts.ids import fit_text
from contracts.times import to_rfc3339
from messaging.dead_reader import DeadLetter, DeadLetterReader, Positions
from messaging.producer import Producer
from messaging.reader import LogReader
from settings import Settings
from storage.dead_retries import DeadRetries, DeadRetry
from web.services.pictures import sniff_content_type
from web.services.readers import ReaderPool

_ACKNOWLEDGED_WITHIN_S = 10.0
_PER_S = 50.0
_TEXT_CHARS = 20_000
_HEADER_CHARS = 1000

RETRIED, ALREADY, REFUSED = "retried", "already", "refused"


@dataclass(frozen=True)
class DeadFilter:
    """Which letters are wanted: of a camera, from a topic, with this text in the error (upper and lower case alike)."""

    camera_id: str | None = None
    topic: str | None = None
    error: str | None = None

    def wants(self, letter: DeadLetter) -> bool:
        """Whether it is such a letter."""
        return (
            self.camera_id in (None, letter.camera_id)
            and (self.topic is None or (letter.source is not None and letter.source.topic == self.topic))
            and (self.error is None or self.error.casefold() in letter.error.casefold())
        )


@dataclass(frozen=True)
class ListedLetter:
    """A letter with its retry, and why it cannot be retried if so."""

    letter: DeadLetter
    retry: DeadRetry | None
    why_not: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types, without the record's value."""
        letter, retry = self.letter, self.retry
        return {
            "id": f"{letter.place.partition}/{letter.place.offset}",
            "at": to_rfc3339(letter.at),
            "camera_id": letter.camera_id,
            "source": None if letter.source is None else str(letter.source),
            "error": letter.error,
            "attempts": letter.attempts,
            "size_bytes": letter.size_bytes,
            "retry": None if retry is None else {"at": to_rfc3339(retry.at), "by": retry.by, "to": retry.to},
            "why_not": self.why_not,
        }

    def to_whole_dict(self) -> dict[str, Any]:
        """Return it as JSON types, with the record's key, headers, and value where that is text."""
        letter = self.letter
        kind = content_of(letter.value)
        return {
            **self.to_dict(),
            "key": None if letter.key is None else _line(letter.key),
            "headers": [{"name": name, "value": _line(value)} for name, value in letter.headers],
            "content": kind,
            "text": _shown(letter.value or b"", _TEXT_CHARS) if kind in ("json", "text") else None,
        }


@dataclass(frozen=True)
class DeadPage:
    """Letters, where the next page starts, and how many letters of any kind the topic holds."""

    items: list[ListedLetter]
    after: Positions | None
    count: int


@dataclass(frozen=True)
class RetryOutcome:
    """What became of the retry of one letter.

    Attributes:
        outcome: `retried`, `already` (retried before) or `refused`.
        to: the record's new place in the log.
        reason: why it was refused.
    """

    letter: DeadLetter
    outcome: str
    to: str | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        place = self.letter.place
        return {
            "id": f"{place.partition}/{place.offset}",
            "outcome": self.outcome,
            "to": self.to,
            "reason": self.reason,
        }


class DeadLetterBox:
    """Lists, shows and retries dead letters."""

    def __init__(
        self,
        settings: Settings,
        readers: ReaderPool,
        producer: Producer,
        retries: DeadRetries,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._settings = settings
        self._readers = readers
        self._producer = producer
        self._retries = retries
        self._now = now

    def page(self, wanted: DeadFilter, limit: int, before: Positions | None) -> DeadPage:
        """Return a page of letters, the newest first.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        with self._readers.borrow() as reader:
            dead = DeadLetterReader(reader, self._settings)
            page = dead.newest(limit, wanted.wants, before)
            count = sum(end - first for first, end in dead.bounds().values())
        retries = self._retries.find([_key(letter) for letter in page.letters])
        items = [
            ListedLetter(letter, retries.get(_key(letter)), letter.why_not(self._settings)) for letter in page.letters
        ]
        return DeadPage(items, page.after, count)

    def get(self, partition: int, offset: int) -> ListedLetter | None:
        """Return a letter with its value, None if there is none at this place, or none any more.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        with self._readers.borrow() as reader:
            letter = DeadLetterReader(reader, self._settings).get(partition, offset)
        if letter is None:
            return None
        key = _key(letter)
        return ListedLetter(letter, self._retries.find([key]).get(key), letter.why_not(self._settings))

    def bounds(self) -> tuple[Positions, Positions]:
        """Return the first offset of each partition, and the one after the last.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        with self._readers.borrow() as reader:
            found = DeadLetterReader(reader, self._settings).bounds()
        return {number: first for number, (first, _) in found.items()}, {
            number: end for number, (_, end) in found.items()
        }

    def retry(self, letter: DeadLetter, by: str, *, again: bool) -> RetryOutcome:
        """Send a letter's record again to its topic, once, unless it is to be sent `again`.

        It gets a new offset there, and so a result of its own.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer. The record may have been sent all the same.
        """
        with self._readers.borrow() as reader:
            return self._retry(reader, letter, by, again)

    def retry_all(
        self,
        wanted: DeadFilter,
        since: Positions,
        until: Positions,
        by: str,
        *,
        again: bool,
        stop: threading.Event,
        per_s: float = _PER_S,
    ) -> Iterator[tuple[DeadLetter, RetryOutcome | None]]:
        """Retry the letters that are wanted, the oldest first; yield each letter, with None if it is not wanted.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer; what was yielded is done.
        """
        next_s = time.monotonic()
        with self._readers.borrow() as reader, self._readers.borrow() as places:
            for letter in DeadLetterReader(reader, self._settings).oldest(since, until):
                outcome = None
                if wanted.wants(letter):
                    outcome = self._retry(places, letter, by, again)
                    if outcome.outcome == RETRIED:
                        next_s = max(next_s, time.monotonic() - 1.0) + 1.0 / per_s
                        stop.wait(max(0.0, next_s - time.monotonic()))
                yield letter, outcome
                if stop.is_set():
                    return

    def _retry(self, reader: LogReader, letter: DeadLetter, by: str, again: bool) -> RetryOutcome:
        reason = letter.why_not(self._settings)
        if reason is not None or letter.source is None:
            return RetryOutcome(letter, REFUSED, reason=reason)
        key = _key(letter)
        earlier = self._retries.find([key]).get(key)
        if (taken := self._retries.claim(key, by, self._now(), again=again)) is not None:
            return RetryOutcome(letter, ALREADY, to=taken.to)
        topic, partitions = letter.source.topic, len(reader.partitions([letter.source.topic]))
        try:
            to = self._producer.send(
                topic,
                letter.value,
                key=letter.key,
                partition=letter.source.partition if letter.source.partition < partitions else None,
                headers=letter.to_retry(),
            ).result(_ACKNOWLEDGED_WITHIN_S)
        except FutureTimeoutError as error:
            raise UnavailableError(f"Kafka did not acknowledge within {_ACKNOWLEDGED_WITHIN_S:g} s") from error
        except UnavailableError:
            self._retries.release(key, earlier)
            raise
        self._retries.settle(key, str(to))
        return RetryOutcome(letter, RETRIED, to=str(to))


def content_of(value: bytes | None) -> str:
    """Return what a value is: `picture`, `json`, `text`, `binary` or `nothing`."""
    if not value:
        return "nothing"
    if sniff_content_type(value) is not None:
        return "picture"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "binary"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "text" if text.replace("\n", "").replace("\t", "").replace("\r", "").isprintable() else "binary"
    return "json"


def _line(value: bytes) -> str:
    """Return bytes as a line for people, who may read it on a terminal: control characters become U+FFFD too."""
    return fit_text(_shown(value, _HEADER_CHARS), _HEADER_CHARS + 1)


def _shown(value: bytes, most_characters: int) -> str:
    """Return bytes as text for people; what is no text becomes U+FFFD, and what is too long is cut."""
    text = value[: 4 * most_characters].decode("utf-8", "replace")
    return text if len(text) <= most_characters else f"{text[:most_characters]}…"


def _key(letter: DeadLetter) -> str:
    return f"{letter.place}@{to_rfc3339(letter.at)}"
