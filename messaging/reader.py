"""Reads of known places in the log, without a consumer group."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from contracts.errors import NeverWrittenError, UnavailableError, UnreadableError
from contracts.offsets import OffsetRange
from messaging.client import connect, consumer_config
from messaging.damage import BROKER_ERRORS, Damage, DamageReport, step_over_damage
from messaging.log_ids import ask_log_ids
from messaging.offsets import end_offsets, first_offsets
from messaging.records import LogRecord
from settings import Settings

_POLL_MS = 250
_CALL_MS = 5000
_MOST_OVERTIME_S = 10.0
_LOOK_AHEAD_BYTES = 512 * 1024
"""A fetch brings this much at most past its first batch; what lies beyond the range's end is read in vain."""

_ENOUGH_BYTES = 32 * 1024 * 1024
"""`read_since` polls no more once it has so much: a thousand records may be 16 MiB each."""

_FETCH_WAIT_MS = 10
"""A broker answers a connection's requests one after the other: while it holds a fetch back for records to come, such
as the one that kafka-python sends ahead, the next read would wait too."""


@dataclass
class RangeRead:
    """What a range of offsets holds.

    Attributes:
        records: those that are there, by rising offset.
        gaps: offsets that hold no record and never will: transaction markers, aborted or compacted records.
        expired: offsets that retention removed before they were read.
    """

    records: list[LogRecord] = field(default_factory=list)
    gaps: list[OffsetRange] = field(default_factory=list)
    expired: list[OffsetRange] = field(default_factory=list)


class LogReader:
    """One Kafka consumer that reads what it is asked for. Not to be shared by threads; make it after a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: KafkaConsumer | None = None
        self._damage: list[Damage] = []
        self._report = DamageReport()

    def start(self, timeout_s: float = 30.0, topics: Sequence[str] = ()) -> None:
        """Connect. Name the `topics` when calls will go to several of them in turn.

        kafka-python keeps the leaders of the topics that were assigned last, and must look up those of others: those of
        `topics` it then keeps from the start.

        Raises:
            UnavailableError: no broker answers within `timeout_s`, or there is no such topic.
        """
        try:
            self._consumer = connect(
                KafkaConsumer,
                consumer_config(self._settings, "reader")
                | {
                    "bootstrap_timeout_ms": int(timeout_s * 1000),
                    "group_id": None,
                    "auto_offset_reset": "none",
                    "max_partition_fetch_bytes": _LOOK_AHEAD_BYTES,
                    "fetch_max_wait_ms": _FETCH_WAIT_MS,
                    "enable_incremental_fetch_sessions": False,  # every read jumps elsewhere
                },
            )
            step_over_damage(self._consumer, self._damage.append)
            if topics:
                self._assign(self._partitions(topics))
        except KafkaError as error:
            raise UnavailableError(f"Kafka does not answer: {error}") from error

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
            self._consumer = None

    def read_range(self, topic: str, partition: int, offsets: OffsetRange, timeout_s: float = 30.0) -> RangeRead:
        """Fetch the records of one partition at `offsets`.

        What is gone is reported as `expired`, what never held a record as `gaps`: neither is waited for. `timeout_s` is
        for each part that the broker gives.

        Raises:
            NeverWrittenError: the range ends after the end of the log: it was never written.
            UnreadableError: a record there is damaged, or compressed in an unknown way. What comes after it in the
                range may be readable.
            UnavailableError: Kafka did not answer in time.
        """
        whole = RangeRead()
        for part in self.read_parts(topic, partition, offsets, timeout_s):
            whole.records += part.records
            whole.gaps += part.gaps
            whole.expired += part.expired
        return whole

    def read_parts(
        self, topic: str, partition: int, offsets: OffsetRange, timeout_s: float = 30.0
    ) -> Iterator[RangeRead]:
        """Fetch as `read_range` does, but give each part as it comes; the next is fetched while that one is worked on.

        Once something else is read, the parts that were not taken are not to be had any more.

        Raises:
            NeverWrittenError, UnreadableError, UnavailableError: as `read_range`; what was given before stays good.
        """
        consumer, place = self._started(), TopicPartition(topic, partition)
        try:
            self._assign([place])
            self._damage.clear()
            yield from _read_parts(consumer, place, offsets, timeout_s, self._damage)
        except KafkaError as error:
            raise UnavailableError(f"cannot read {topic}/{partition} at {offsets}: {error!r}") from error

    def partitions(self, topics: Sequence[str]) -> list[tuple[str, int]]:
        """Return every partition of `topics`.

        Raises:
            UnavailableError: Kafka did not answer, or has no such topic.
        """
        try:
            return [(place.topic, place.partition) for place in self._partitions(topics)]
        except KafkaError as error:
            raise UnavailableError(f"cannot read the partitions of {', '.join(topics)}: {error!r}") from error

    def log_id(self, topic: str) -> str | None:
        """Ask Kafka for the id of a topic (KIP-516), as it prints it; None if the brokers are too old to have one.

        A topic that is deleted and made anew has another id, and so has one of a Kafka that lost its data.

        Raises:
            UnavailableError: Kafka did not answer, or has no such topic.
        """
        found = self.current_log_ids([topic]).get(topic)
        if found is None:
            self.partitions([topic])
        return found

    def current_log_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Ask Kafka for the ids of topics now. A topic that does not exist is left out; on Kafka before 2.8, all.

        Raises:
            UnavailableError: Kafka did not answer.
        """
        try:
            return ask_log_ids(self._started(), topics)
        except KafkaError as error:
            raise UnavailableError(f"cannot read the ids of {', '.join(topics)}: {error!r}") from error

    def bounds(self, topics: Sequence[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """Return the first offset and the one after the last, for every partition of `topics`.

        Raises:
            UnavailableError: Kafka did not answer in time.
        """
        try:
            places = self._partitions(topics)
            first, last = self._first_and_last(places)
        except KafkaError as error:
            raise UnavailableError(f"cannot read the bounds of {', '.join(topics)}: {error!r}") from error
        return {(place.topic, place.partition): (first[place], last[place]) for place in places}

    def ends(self, places: Iterable[tuple[str, int]], timeout_ms: int = 1000) -> dict[tuple[str, int], int]:
        """Return the offset after the last record of each partition (topic, number).

        Raises:
            UnavailableError: Kafka did not answer in time.
        """
        wanted = [TopicPartition(*place) for place in places]
        try:
            last = end_offsets(self._started(), wanted, timeout_ms)
        except KafkaError as error:
            raise UnavailableError(f"cannot read the ends of the log: {error!r}") from error
        return {(place.topic, place.partition): offset for place, offset in last.items()}

    def positions_at(self, topics: Sequence[str], at: datetime) -> dict[tuple[str, int], int]:
        """Return, for every partition of `topics`, the offset of the first record that is not older than `at`.

        Raises:
            UnavailableError: Kafka did not answer in time.
        """
        consumer, at_ms = self._started(), int(at.timestamp() * 1000)
        try:
            places = self._partitions(topics)
            _, last = self._first_and_last(places)  # before the times: what comes in between is not passed over
            found = consumer.offsets_for_times(dict.fromkeys(places, at_ms), timeout_ms=_CALL_MS)
        except KafkaError as error:
            raise UnavailableError(f"cannot look up times in {', '.join(topics)}: {error!r}") from error
        return {
            (place.topic, place.partition): found[place].offset if found.get(place) else last[place] for place in places
        }

    def read_since(
        self, positions: Mapping[tuple[str, int], int], limit: int, wait_s: float = 0.0
    ) -> tuple[list[LogRecord], dict[tuple[str, int], int]]:
        """Return up to `limit` records from `positions` on, and the positions after them; fewer when they are large.

        Waits up to `wait_s` for a first record when there is none. A position that retention has passed moves to the
        first record that is left. Records that cannot be decoded are stepped over and counted.

        Raises:
            UnavailableError: Kafka did not answer.
        """
        consumer, after = self._started(), dict(positions)
        deadline = time.monotonic() + wait_s
        places = [TopicPartition(topic, partition) for topic, partition in positions]
        try:
            first, last = self._first_and_last(places)
            self._assign(places)
            self._damage.clear()
            for place in places:
                start = min(max(after[place.topic, place.partition], first[place]), last[place])
                consumer.seek(place, start)
                after[place.topic, place.partition] = start
            records: list[LogRecord] = []
            size = 0
            while len(records) < limit and size < _ENOUGH_BYTES:
                if time.monotonic() > deadline + _MOST_OVERTIME_S:
                    raise UnavailableError("the log did not answer in time")
                behind = any(after[place.topic, place.partition] < last[place] for place in places)
                left_s = deadline - time.monotonic()
                if not behind and (records or left_s <= 0):
                    break
                batch = consumer.poll(
                    timeout_ms=_POLL_MS if behind else min(_POLL_MS, max(1, int(left_s * 1000))),
                    max_records=limit - len(records),
                )
                for place, found in batch.items():
                    records += [LogRecord.from_kafka(record) for record in found]
                    size += sum(len(record.value or b"") for record in found)
                    after[place.topic, place.partition] = found[-1].offset + 1
                for place in places:  # steps over what holds no record
                    if place not in batch:
                        position = consumer.position(place, timeout_ms=_CALL_MS)
                        after[place.topic, place.partition] = max(after[place.topic, place.partition], position or 0)
        except KafkaError as error:
            raise UnavailableError(f"cannot read the log: {error!r}") from error
        for damage in self._damage:
            self._report(damage)
        return records, after

    def _started(self) -> KafkaConsumer:
        if self._consumer is None:
            raise UnavailableError("the reader was not started")
        return self._consumer

    def _first_and_last(
        self, places: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Return the first offset of each place, and the one after the last."""
        consumer = self._started()
        return first_offsets(consumer, places, _CALL_MS), end_offsets(consumer, places, _CALL_MS)

    def _assign(self, places: list[TopicPartition]) -> None:
        consumer = self._started()
        if consumer.assignment() != set(places):
            consumer.assign(places)

    def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        consumer = self._started()
        places = []
        for topic in topics:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise UnavailableError(f"Kafka has no topic {topic}")
            places += [TopicPartition(topic, number) for number in sorted(numbers)]
        return places


def _read_parts(
    consumer: KafkaConsumer, place: TopicPartition, offsets: OffsetRange, timeout_s: float, damage: list[Damage]
) -> Iterator[RangeRead]:
    at, ahead = offsets.start, dict[TopicPartition, Any]()
    consumer.seek(place, at)
    deadline = time.monotonic() + timeout_s
    while at < offsets.stop:
        if time.monotonic() > deadline:
            raise UnavailableError(f"{place.topic}/{place.partition} did not give {offsets} in time, only up to {at}")
        part = RangeRead()
        try:
            batch = ahead or consumer.poll(timeout_ms=_POLL_MS, max_records=offsets.stop - at)
        except OffsetOutOfRangeError:
            batch, at = {}, _skip_expired(consumer, place, at, offsets, part)
        except BROKER_ERRORS:  # a passing trouble of the broker, or damage: `step_over_damage` tells in time
            time.sleep(_POLL_MS / 1000)
            continue
        else:
            _refuse_damage(damage, place, at, offsets.stop)
            if not batch:
                at = _skip_gap(consumer, place, at, offsets, part)
        for record in batch.get(place, ()):
            if record.offset > at:
                part.gaps.append(OffsetRange(at, min(record.offset, offsets.stop)))
            at = min(record.offset + 1, offsets.stop)
            if record.offset < offsets.stop:
                part.records.append(LogRecord.from_kafka(record))
            if at == offsets.stop:
                break
        ahead = _fetch_ahead(consumer, offsets.stop - at) if part.records else {}
        if part.records or part.gaps or part.expired:
            yield part
            deadline = time.monotonic() + timeout_s


def _refuse_damage(damage: list[Damage], place: TopicPartition, start: int, stop: int) -> None:
    """Raise `UnreadableError` if something in [start, stop) could not be decoded."""
    for one in damage:
        if one.place == place and one.start < stop and one.stop > start:
            raise UnreadableError(f"cannot read {one}") from one.error


def _fetch_ahead(consumer: KafkaConsumer, most: int) -> dict[TopicPartition, Any]:
    """Have the next records fetched, without waiting; return those that are there already."""
    if not most:
        return {}
    try:
        ahead: dict[TopicPartition, Any] = consumer.poll(timeout_ms=0, max_records=most)
    except OffsetOutOfRangeError:  # told again by the next poll
        return {}
    return ahead


def _skip_expired(
    consumer: KafkaConsumer, place: TopicPartition, at: int, offsets: OffsetRange, read: RangeRead
) -> int:
    """Step over what retention removed; return the first offset that may still be there."""
    first: int = first_offsets(consumer, [place], _CALL_MS)[place]
    if first <= at:
        last = end_offsets(consumer, [place], _CALL_MS)[place]
        if at < last:
            raise UnreadableError(f"cannot read {place.topic}/{place.partition} at {at}: its broker does not find it")
        raise NeverWrittenError(f"{place.topic}/{place.partition} ends at {last}: {offsets} was never written")
    until = min(first, offsets.stop)
    read.expired.append(OffsetRange(at, until))
    if until < offsets.stop:
        consumer.seek(place, until)
    return until


def _skip_gap(consumer: KafkaConsumer, place: TopicPartition, at: int, offsets: OffsetRange, read: RangeRead) -> int:
    """After an empty poll: step over offsets that the consumer passed without a record, if there are any."""
    position: int | None = consumer.position(place, timeout_ms=_CALL_MS)
    if position is not None and position > at:
        until = min(position, offsets.stop)
        read.gaps.append(OffsetRange(at, until))
        return until
    last = end_offsets(consumer, [place], _CALL_MS)[place]
    if last < offsets.stop:
        raise NeverWrittenError(f"{place.topic}/{place.partition} ends at {last}: {offsets} was never written")
    return at
