"""Records that cannot be decoded: stepped over, counted and logged, so that they block nobody.

kafka-python (3.0) raises from `poll` at a batch that it cannot decode, leaves the position where it is, and never comes
back from the `poll` after that one: the generator that unpacks the fetch has ended without telling the fetcher.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, InvalidRecordError, UnknownError, UnsupportedCodecError
from kafka.record.util import decode_varint
from prometheus_client import Counter

log = logging.getLogger(__name__)

_LOG_EVERY_S = 60.0
_PATIENCE_S, _NEXT_PATIENCE_S = 8.0, 2.0
"""So long a broker may fail to read an offset for reasons of its own, and then the offset after one stepped over. Reads
give up after ten seconds."""

BROKER_ERRORS = (UnknownError, InvalidRecordError)
"""What a broker answers that fails to read its own log: for a moment, or as the log is damaged there."""

_UNREADABLE = Counter(
    "crowdwatch_log_unreadable", "Offsets stepped over because they cannot be decoded", ["topic", "reason"]
)


@dataclass(frozen=True)
class Damage:
    """Offsets [start, stop) of a partition that cannot be decoded, and what the decoder raised."""

    place: TopicPartition
    start: int
    stop: int
    error: Exception

    @property
    def reason(self) -> str:
        """Return a word for metrics: `codec`, `broker` (it cannot read its own log) or `corrupt`."""
        if isinstance(self.error, UnsupportedCodecError):
            return "codec"
        return "broker" if isinstance(self.error, BROKER_ERRORS) else "corrupt"

    def __str__(self) -> str:
        return f"{self.place.topic}/{self.place.partition} [{self.start}, {self.stop}): {self.error!r}"


class DamageReport:
    """Counts damage by topic and reason, and logs it now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_log = float("-inf")
        self._unsaid = 0

    def __call__(self, damage: Damage) -> None:
        """Report one damage."""
        _UNREADABLE.labels(damage.place.topic, damage.reason).inc(damage.stop - damage.start)
        self._unsaid += damage.stop - damage.start
        now = self._clock()
        if now >= self._next_log:
            log.error("%d offsets cannot be decoded and are stepped over, the last: %s", self._unsaid, damage)
            self._next_log, self._unsaid = now + _LOG_EVERY_S, 0


def step_over_damage(consumer: KafkaConsumer, report: Callable[[Damage], None]) -> None:
    """Have a consumer step over what it cannot decode.

    Args:
        consumer: kafka-python's, without incremental fetch sessions: they leave out what the broker does not find.
        report: told of each damage, from within `poll`; what it raises is raised by `poll`.
    """
    fetcher = consumer._fetcher  # noqa: SLF001  # there is no other way to it
    fetcher.PartitionRecords = partial(_Records, report=report)
    fetcher._parse_fetched_data = _Parser(fetcher, report)  # noqa: SLF001


class _Parser:
    """Parses fetches as the fetcher does; where the broker itself cannot read its log, moves the position on by one."""

    def __init__(self, fetcher: Fetcher, report: Callable[[Damage], None]) -> None:
        self._parse = fetcher._parse_fetched_data  # noqa: SLF001
        self._subscriptions = fetcher._subscriptions  # noqa: SLF001
        self._report = report
        self._failing: dict[TopicPartition, tuple[int, float]] = {}

    def __call__(self, completed: Any) -> Any:
        place, offset, data = completed.topic_partition, completed.fetched_offset, completed.partition_data
        try:
            parsed = self._parse(completed)
        except (CorruptRecordError, *BROKER_ERRORS) as error:
            if not self._lasts(place, offset):
                if isinstance(error, CorruptRecordError):
                    return None
                raise
            self._step_over(place, offset, error)
            return None
        if parsed is not None:
            if not data.records and offset < max(data.last_stable_offset, 0):
                if self._lasts(place, offset):
                    self._step_over(place, offset, UnknownError("the broker does not find it"))
                    return None
            else:
                self._failing.pop(place, None)
            parsed.log_end = data.high_watermark
        return parsed

    def _lasts(self, place: TopicPartition, offset: int) -> bool:
        """Whether the broker has failed at this offset for a while: it may be a passing trouble."""
        now = time.monotonic()
        known, until = self._failing.get(place, (-1, 0.0))
        if known != offset:
            until = now + (_NEXT_PATIENCE_S if known == offset - 1 and now > until else _PATIENCE_S)
            self._failing[place] = (offset, until)
        return now > until

    def _step_over(self, place: TopicPartition, offset: int, error: Exception) -> None:
        state = self._subscriptions.assignment.get(place)
        if state is not None and state.position is not None and state.position.offset == offset:
            self._subscriptions.seek(place, offset + 1)
            self._report(Damage(place, offset, offset + 1, error))


class _Unpacked(Exception):
    """A batch was given whole."""


class _Misplaced(CorruptRecordError):  # type: ignore[misc]  # kafka-python carries no types
    """A batch whose header tells offsets that cannot be."""


class _BadChecksum(CorruptRecordError):  # type: ignore[misc]
    """A batch that is not what its checksum says."""


class _OneBatch:
    """Stands in for the records of a fetch: gives kafka-python's unpacking one batch, and breaks it off after that."""

    def __init__(self, batch: "_Batch") -> None:
        self._batch: _Batch | None = batch

    def next_batch(self) -> "_Batch":
        """Return the batch; the second time, end the unpacking."""
        batch, self._batch = self._batch, None
        if batch is None:
            raise _Unpacked
        return batch


class _Batch:
    """A batch that steps over single records of its own, such as one with a header whose name is no UTF-8."""

    def __init__(self, batch: Any, on_skipped: Callable[[int, Exception], None]) -> None:
        self._batch = batch
        self._on_skipped = on_skipped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        records = iter(self._batch)
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except CorruptRecordError as error:
                offset = self._skip()
                if offset is None:
                    raise
                self._on_skipped(offset, error)
            else:
                yield record

    def _skip(self) -> int | None:
        """Go to where the next record begins if this one's length allows it; return the offset that is skipped."""
        batch = self._batch
        if batch.magic < 2 or batch._next_record_index >= batch.records_count:  # noqa: SLF001
            return None
        try:
            length, begin = decode_varint(batch._buffer, batch._pos)  # noqa: SLF001
            at = begin
            for _ in ("attributes", "time stamp", "offset"):
                value, at = decode_varint(batch._buffer, at)  # noqa: SLF001
        except (ValueError, IndexError):
            return None
        if not (at <= begin + length <= len(batch._buffer) and 0 <= value <= batch.last_offset_delta):  # noqa: SLF001
            return None
        batch._pos = begin + length  # noqa: SLF001
        batch._next_record_index += 1  # noqa: SLF001
        return int(batch.base_offset + value)


class _Records(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python carries no types
    """The records of one fetch, unpacked batch by batch."""

    log_end: int = 2**63 - 1

    def __init__(self, *args: Any, report: Callable[[Damage], None], **options: Any) -> None:
        self._report = report
        super().__init__(*args, **options)

    def _unpack_records(self, tp: TopicPartition, records: Any, *deserializers: Any) -> Iterator[Any]:
        first = True
        while True:
            batch: Any = None
            try:
                batch = records.next_batch()
                if batch is None:
                    break
                self._check(batch, first)
                first = False
                yield from super()._unpack_records(tp, _OneBatch(_Batch(batch, self._skipped)), *deserializers)
            except _Unpacked:
                if batch.magic == 2:
                    self.next_fetch_offset = batch.next_offset
            except Exception as error:  # a decoder of nonsense may raise anything
                self._step_over(batch, error)
                if batch is None:
                    break  # its length is nonsense: nobody knows where the next one begins
        self.drain()

    def _check(self, batch: Any, first: bool) -> None:
        """See that the offsets of a batch, which its checksum does not cover, make sense, and then its checksum.

        Offsets follow those of the batch before; a fetch may begin in the middle of its first batch.
        """
        self.check_crcs = batch.magic < 2  # by kafka-python
        if batch.magic > 2:
            raise _Misplaced(f"a batch of the unknown format {batch.magic}")
        if batch.magic == 2:
            begins = batch.last_offset if first else batch.base_offset
            if not (self.next_fetch_offset <= begins and batch.base_offset <= batch.last_offset < self.log_end):
                found, due = f"{batch.base_offset} to {batch.last_offset}", self.next_fetch_offset
                raise _Misplaced(f"a batch of the offsets {found} where {due} is due")
            if not batch.validate_crc():
                raise _BadChecksum(f"a batch at {batch.base_offset} with a wrong checksum")

    def _skipped(self, offset: int, error: Exception) -> None:
        """Report a record that its batch stepped over, unless it lies before what was asked for."""
        if offset >= self.next_fetch_offset:
            self._report(Damage(self.topic_partition, offset, offset + 1, error))

    def _step_over(self, batch: Any, error: Exception) -> None:
        """Go on behind a batch if its header can be believed, else at the next offset."""
        start = self.next_fetch_offset
        stop = start + 1
        if batch is not None and batch.magic == 2 and not isinstance(error, _Misplaced):
            compact = batch.records_count == batch.last_offset_delta + 1
            if compact or not isinstance(error, _BadChecksum):
                stop = max(start, batch.next_offset)
        self.next_fetch_offset = stop
        if start < stop:
            self._report(Damage(self.topic_partition, start, stop, error))
