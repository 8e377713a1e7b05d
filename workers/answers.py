"""What a record in `Faces` answers: source offsets, and the task that brought it."""

import logging

import msgspec

from contracts.errors import ContractError
from contracts.offsets import SERVICE_HEADER, SETTLES_HEADER, SOURCE_TOPIC_HEADER, TASK_HEADER, OffsetRange, is_natural
from contracts.tasks import DetectRange
from messaging.records import LogRecord

log = logging.getLogger(__name__)


_MOST_TOPIC_BYTES = 249
_MOST_SERVICE_MS = 120_000
"""A longer time counts as this: the bridge waits for no lost task longer, and what one record claims must wear off."""


class _Source(msgspec.Struct):
    topic: str


class _Result(msgspec.Struct):
    source: _Source


_decode_result = msgspec.json.Decoder(_Result).decode


def what_it_settles(record: LogRecord) -> tuple[str, OffsetRange] | None:
    """Return the source topic and the offsets that a record in `Faces` answers for; None for a foreign one."""
    settles = record.header(SETTLES_HEADER)
    if settles is None:
        return None
    try:
        return _topic(record), OffsetRange.decode(settles)
    except (ValueError, RecursionError) as error:  # among them those of msgspec, of UTF-8 and of the contract
        log.debug("a record at %s settles nothing: %.200s", record.source, error)
        return None


def _topic(record: LogRecord) -> str:
    topic = record.header(SOURCE_TOPIC_HEADER)
    if topic is None:
        return _decode_result(record.value or b"").source.topic
    if len(topic) > _MOST_TOPIC_BYTES:
        raise ContractError(f"a topic's name of {len(topic)} bytes")
    return topic.decode()


def service_s(record: LogRecord) -> float | None:
    """Return how many seconds its worker took for a task, None when the record does not say, or says nonsense."""
    value = record.header(SERVICE_HEADER)
    if value is None or not is_natural(value):
        return None
    return min(max(int(value), 1), _MOST_SERVICE_MS) / 1000


def who_answered(record: LogRecord, topic: str, partition: int) -> DetectRange | None:
    """Return the task that published a record, None when it does not say."""
    task = record.header(TASK_HEADER)
    try:
        return None if task is None else DetectRange.decode(topic, partition, task)
    except ContractError as error:
        log.warning("a record at %s names no task: %s", record.source, error)
        return None
