"""First and last offsets of partitions, asked of the brokers that lead them now."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

_FIRST_TRY_MS = 250
_LOOK_S = 0.05


def first_offsets(
    consumer: KafkaConsumer, places: Sequence[TopicPartition], timeout_ms: float, first_try_ms: float = _FIRST_TRY_MS
) -> dict[TopicPartition, int]:
    """Return the first offset of each partition.

    Args:
        consumer: who asks.
        places: the partitions.
        timeout_ms: for all tries together.
        first_try_ms: for the first one; more than a fetch may be held back, where the consumer fetches meanwhile.

    Raises:
        KafkaError: not every partition's leader answered in time.
    """
    return _ask(consumer, consumer.beginning_offsets, places, timeout_ms, first_try_ms)


def end_offsets(
    consumer: KafkaConsumer, places: Sequence[TopicPartition], timeout_ms: float, first_try_ms: float = _FIRST_TRY_MS
) -> dict[TopicPartition, int]:
    """Return the offset after the last record of each partition; arguments and errors are those of `first_offsets`."""
    return _ask(consumer, consumer.end_offsets, places, timeout_ms, first_try_ms)


def _ask(
    consumer: KafkaConsumer,
    ask: Callable[..., Any],
    places: Sequence[TopicPartition],
    timeout_ms: float,
    first_try_ms: float,
) -> dict[TopicPartition, int]:
    """Ask, each time for twice as long, and have the leaders looked up anew after each time in vain.

    kafka-python asks the broker that led a partition when it looked last, over and over until the time is up, though
    that one answers that it does no more. It looks again by itself when a connection is lost, or after five minutes. A
    partition that has no leader it leaves out, and then misses it in its own answer.
    """
    deadline, try_ms = time.monotonic() + timeout_ms / 1000, first_try_ms
    while (left_ms := 1000 * (deadline - time.monotonic())) > 0:
        try:
            found: dict[TopicPartition, int] = ask(places, timeout_ms=min(try_ms, left_ms))
        except (KafkaTimeoutError, KeyError) as error:
            consumer._client.cluster.request_update()  # noqa: SLF001  # there is no other way to it
            if isinstance(error, KeyError):
                time.sleep(min(_LOOK_S, left_ms / 1000))
            else:
                try_ms *= 2
        else:
            return found
    raise KafkaTimeoutError(f"not every leader of {len(places)} partitions answered within {timeout_ms:g} ms")
