"""First and last offsets of partitions, asked of the brokers that lead them now."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

_FIRST_TRY_MS = 250


def first_offsets(
    consumer: KafkaConsumer, places: Sequence[TopicPartition], timeout_ms: float
) -> dict[TopicPartition, int]:
    """Return the first offset of each partition.

    Raises:
        KafkaError: not every partition's leader answered in time.
    """
    return _ask(consumer, consumer.beginning_offsets, places, timeout_ms)


def end_offsets(
    consumer: KafkaConsumer, places: Sequence[TopicPartition], timeout_ms: float
) -> dict[TopicPartition, int]:
    """Return the offset after the last record of each partition.

    Raises:
        KafkaError: not every partition's leader answered in time.
    """
    return _ask(consumer, consumer.end_offsets, places, timeout_ms)


def _ask(
    consumer: KafkaConsumer, ask: Callable[..., Any], places: Sequence[TopicPartition], timeout_ms: float
) -> dict[TopicPartition, int]:
    """Ask, soon again with the leaders looked up anew, and have them looked up when that was in vain too.

    kafka-python asks the broker that led a partition when it looked last, over and over until the time is up, though
    that one answers that it does no more. It looks again by itself when a connection is lost, or after five minutes.
    """
    deadline = time.monotonic() + timeout_ms / 1000
    for most_ms in (_FIRST_TRY_MS, timeout_ms):
        left_ms = max(1.0, 1000 * (deadline - time.monotonic()))
        try:
            found: dict[TopicPartition, int] = ask(places, timeout_ms=min(most_ms, left_ms))
        except KafkaTimeoutError:
            consumer._client.cluster.request_update()  # noqa: SLF001  # there is no other way to it
        else:
            return found
    raise KafkaTimeoutError(f"no answer about {len(places)} partitions within {timeout_ms:g} ms")
