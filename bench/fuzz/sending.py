"""Sends odd records: each in a batch of its own, in every compression, some in transactions that are aborted."""

import collections
import itertools
from collections.abc import Iterable
from typing import Any

from kafka import KafkaProducer
from kafka.codec import has_gzip, has_lz4, has_snappy, has_zstd
from kafka.errors import KafkaError
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatchBuilder

from bench.fuzz.records import OddRecord

_MOST_BYTES = 64 * 1024 * 1024
_ACKNOWLEDGED_WITHIN_S = 60
_ABORTED_EVERY = 100
_ABORTED = 3


class _NoValue(bytes):
    """A header's value that is null in the log: kafka-python sends bytes alone, though it reads both."""


class _Builder(DefaultRecordBatchBuilder):  # type: ignore[misc]  # kafka-python carries no types
    def append(self, offset: int, timestamp: int, key: Any, value: Any, headers: Any, **options: Any) -> Any:
        real = [(name, None if isinstance(said, _NoValue) else said) for name, said in headers]
        return super().append(offset, timestamp, key, value, real, **options)


memory_records.DefaultRecordBatchBuilder = _Builder


class Sender:
    """Sends records, and notes the place of each that Kafka has taken, by its number."""

    def __init__(self, servers: str) -> None:
        codecs = {"gzip": has_gzip, "snappy": has_snappy, "lz4": has_lz4, "zstd": has_zstd}
        common: dict[str, Any] = {
            "bootstrap_servers": servers.split(","),
            "acks": "all",
            "max_request_size": _MOST_BYTES,
            "max_block_ms": _ACKNOWLEDGED_WITHIN_S * 1000,
        }
        self._producers = [
            KafkaProducer(**common, batch_size=0, compression_type=codec, enable_idempotence=False)
            for codec in (None, *(codec for codec, is_there in codecs.items() if is_there()))
        ]
        self._aborting = KafkaProducer(**common, transactional_id="fuzz-aborted")
        self._aborting.init_transactions()
        self._turns = itertools.cycle(self._producers)
        self.places: dict[int, str] = {}
        self.refused: collections.Counter[str] = collections.Counter()
        self.aborted = 0

    def close(self) -> None:
        """Disconnect."""
        for producer in (*self._producers, self._aborting):
            producer.close(timeout=10)

    def send(self, records: Iterable[tuple[int, OddRecord]]) -> None:
        """Send records, each with its number, and wait until they are taken or refused."""
        waiting = []
        for number, record in records:
            if number % _ABORTED_EVERY < _ABORTED:
                self._send_in_vain(record)
            try:
                waiting.append((number, _send(next(self._turns), record)))
            except (KafkaError, ValueError, AssertionError) as error:
                self.refused[type(error).__name__] += 1
        for number, future in waiting:
            try:
                place = future.get(_ACKNOWLEDGED_WITHIN_S)
            except KafkaError as error:
                self.refused[type(error).__name__] += 1
            else:
                self.places[number] = f"{place.topic}/{place.partition}/{place.offset}"

    def _send_in_vain(self, record: OddRecord) -> None:
        """Send a record in a transaction that is aborted."""
        self._aborting.begin_transaction()
        try:
            _send(self._aborting, record)
            self._aborting.flush(_ACKNOWLEDGED_WITHIN_S)
        except (KafkaError, ValueError, AssertionError) as error:
            self.refused[type(error).__name__] += 1
        self._aborting.abort_transaction()
        self.aborted += 1


def _send(producer: KafkaProducer, record: OddRecord) -> Any:
    headers = [(name, _NoValue() if value is None else value) for name, value in record.headers]
    return producer.send(record.topic, record.value, key=record.key, headers=headers, timestamp_ms=record.timestamp_ms)
