"""What a record in `Faces` answers: source offsets, and the task that brought it."""

import logging

import msgspec

from contracts.errors import ContractError
from contracts.offsets import SERVICE_HEADER, SETTLES_HEADER, SOURCE_TOPIC_HEADER, TASK_HEADER, OffsetRange, is_natural
from contracts.tasks import DetectRange
from messaging.records import LogRecord

log = logging.getLogger(__name__)

_MOST_SERVICE_MS = 120_000
"""A longer time counts as this: the bridge waits for no lost task longer, and what one record claims must wear off."""


class _Source(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Result(msgspec.Struct):
    source: _Source


_decode_result = msgspec.json.Decoder(_Result).decode


def what_it_settles(record: LogRecord) -> tuple[str, OffsetRange] | None:
    """Return the source topic and the offsets that a record in `Faces` answers for; None for a foreign one.

    The header `settles` is not believed alone: a result settles the offset that it names as its source, and a record
    without value no more than its task's.
    """
    settles = record.header(SETTLES_HEADER)
    if settles is None:
        return None
    try:
        offsets = OffsetRange.decode(settles)
        return (_topic_of_gap if record.value is None else _topic_of_result)(record, offsets), offsets
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        log.debug("a record at %s settles nothing: %.200s", record.source, error)
        return None


def _topic_of_result(record: LogRecord, offsets: OffsetRange) -> str:
    source, named = _decode_result(record.value or b"").source, record.header(SOURCE_TOPIC_HEADER)
    if named is not None and named != source.topic.encode():
        raise ContractError(f"a result of {source.topic} that calls itself one of {named[:60]!r}")
    if (source.partition, source.offset, 1) != (record.source.partition, offsets.start, len(offsets)):
        raise ContractError(f"a result of {source.partition}/{source.offset} that settles {offsets}")
    return source.topic


def _topic_of_gap(record: LogRecord, offsets: OffsetRange) -> str:
    topic = (record.header(SOURCE_TOPIC_HEADER) or b"").decode()
    task = who_answered(record, topic, record.source.partition)
    if task is None or not (task.start <= offsets.start and offsets.stop <= task.stop):
        raise ContractError(f"{offsets} is not of the task {task}")
    return topic


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
