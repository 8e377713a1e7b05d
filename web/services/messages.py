"""Messages: published to the log, and given to each client once."""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from contracts.errors import ContractError, UnavailableError
from contracts.offsets import SourceOffset
from contracts.times import to_rfc3339
from messaging.producer import Producer
from messaging.reader import LogReader
from messaging.records import LogRecord
from settings import Settings
from storage.cursors import Cursor, Cursors
from web.metrics import WebMetrics
from web.services.readers import ReaderPool

log = logging.getLogger(__name__)

MAX_CONTENT = 32_768
MAX_SENDER = 200
_ACKNOWLEDGED_WITHIN_S = 10.0
_PATIENCE_S = 10.0
_SLICE_S = 1.0

Place = tuple[str, int]


@dataclass(frozen=True)
class ChatMessage:
    """What somebody says: `content`, and who says it."""

    content: str
    sender: str

    @classmethod
    def from_json(cls, body: bytes) -> "ChatMessage":
        """Read `{"content", "sender"}`.

        Raises:
            ContractError: it is no such JSON object; the message names the field, what was expected and what came.
        """
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ContractError(f'expected JSON such as {{"content": "hello", "sender": "me"}}: {error}') from error
        if not isinstance(fields, dict):
            raise ContractError(f"expected a JSON object with content and sender, got {type(fields).__name__}")
        unknown = sorted(set(fields) - {"content", "sender"})
        if unknown:
            raise ContractError(f"unknown fields: {', '.join(unknown):.80}; known: content, sender")
        return cls(_text(fields, "content", MAX_CONTENT), _text(fields, "sender", MAX_SENDER))

    def encode(self, sent_at: datetime) -> bytes:
        """Return the record's value."""
        fields = {"content": self.content, "sender": self.sender, "sent_at": to_rfc3339(sent_at)}
        return json.dumps(fields, ensure_ascii=False).encode()


def _text(fields: Mapping[str, Any], name: str, max_length: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ContractError(f"{name} should be a string, is {'absent' if value is None else type(value).__name__}")
    if not 1 <= len(value) <= max_length:
        raise ContractError(f"{name} should have 1 to {max_length} characters, has {len(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ContractError(f"{name} holds half of a surrogate pair, which is no text") from error
    return value


def to_json(record: LogRecord) -> dict[str, Any]:
    """Return a record as `/receive` shows it: its value is an object where it is one in JSON, else text."""
    return {
        "topic": record.source.topic,
        "partition": record.source.partition,
        "offset": record.source.offset,
        "at": to_rfc3339(record.at),
        "value": _value(record.value or b""),
    }


def _value(value: bytes) -> dict[str, Any] | str:
    text = value.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict) and _can_be_sent(found) else text


def _can_be_sent(value: dict[str, Any]) -> bool:
    """Whether JSON of it is one that every client reads: no NaN, no infinity, no half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


class Messages:
    """Publishes messages, and gives each client those of `topics` that it has not had."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        cursors: Cursors,
        readers: ReaderPool,
        metrics: WebMetrics,
        stopping: threading.Event,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.topics = (settings.topic_chat, settings.topic_faces)
        self._reach_back = timedelta(seconds=settings.receive_reach_back_s)
        self._producer = producer
        self._cursors = cursors
        self._readers = readers
        self._metrics = metrics
        self._stopping = stopping
        self._now = now

    def send(self, topic: str, message: ChatMessage) -> SourceOffset:
        """Publish a message; return its place once it is acknowledged.

        Raises:
            UnavailableError: Kafka did not acknowledge it; it may be published all the same, later.
        """
        sent = self._producer.send(topic, message.encode(self._now()))
        try:
            place = sent.result(_ACKNOWLEDGED_WITHIN_S)
        except FutureTimeoutError as error:
            raise UnavailableError(f"Kafka did not acknowledge within {_ACKNOWLEDGED_WITHIN_S:g} s") from error
        self._metrics.messages_sent.inc()
        return place

    def receive(self, client: str, topics: Sequence[str], limit: int, wait_s: float) -> list[LogRecord]:
        """Return up to `limit` records that came since the client's last call; those without a value are left out.

        The client's cursor is moved by compare and set before anything is given out, so that of several calls at the
        same time, even to several processes, each record goes to one. Waits up to `wait_s` for a first record.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer, or other calls of this client came first again and
                again; the cursor has not moved.
        """
        deadline = time.monotonic() + wait_s
        give_up = deadline + _PATIENCE_S
        while True:
            left_s = max(deadline - time.monotonic(), 0.0)
            records, moved = self._try(client, topics, limit, min(left_s, _SLICE_S))
            shown = [record for record in records if record.value is not None]
            if shown:
                self._metrics.messages_delivered.inc(len(shown))
                return shown
            if moved and not records and (time.monotonic() >= deadline or self._stopping.is_set()):
                return []
            if not moved:
                if time.monotonic() > give_up:
                    raise UnavailableError(f"too many calls of client {client} at the same time")
                time.sleep(random.uniform(0.0, 0.02))  # noqa: S311  # spreads calls that collide

    def _try(self, client: str, topics: Sequence[str], limit: int, wait_s: float) -> tuple[list[LogRecord], bool]:
        """Read once and move the cursor. False says that another call moved it first: what was read is not ours."""
        known = self._cursors.get(client)
        cursor = known or Cursor(client, {})
        with self._readers.borrow() as reader:
            logs = reader.current_log_ids(self.topics)
            positions = self._all_positions(reader, cursor, logs)
            wanted = {place: offset for place, offset in positions.items() if place[0] in topics}
            records, after = self._read(reader, wanted, limit, wait_s)
        positions |= after
        if known is not None and positions == dict(known.positions) and logs == dict(known.logs):
            return [], True
        if not self._cursors.move(cursor, positions, logs, self._now()):
            return [], False
        return records, True

    def _all_positions(self, reader: LogReader, cursor: Cursor, logs: Mapping[str, str]) -> dict[Place, int]:
        """The cursor's positions; for partitions that it does not know, those of the time that it reaches back to.

        Positions in a topic that has been made again since are not those of any message there is.
        """
        same = {topic for topic in self.topics if cursor.logs.get(topic, logs.get(topic)) == logs.get(topic)}
        known = {place: offset for place, offset in cursor.positions.items() if place[0] in same}
        missing = set(reader.partitions(self.topics)) - set(known)
        if not missing:
            return known
        reached = reader.positions_at(sorted({topic for topic, _ in missing}), self._now() - self._reach_back)
        return known | {place: reached[place] for place in missing}

    def _read(
        self, reader: LogReader, positions: Mapping[Place, int], limit: int, wait_s: float
    ) -> tuple[list[LogRecord], dict[Place, int]]:
        """Read each topic in turn, messages first, so that a flood of results does not hold them up; then wait."""
        records: list[LogRecord] = []
        after = dict(positions)
        for topic in self.topics:
            part = {place: offset for place, offset in positions.items() if place[0] == topic}
            if part and len(records) < limit:
                found, reached = reader.read_since(part, limit - len(records))
                records += found
                after |= reached
        if not records and after == dict(positions) and wait_s > 0:
            return reader.read_since(positions, limit, wait_s)
        return records, after
