"""What a record in `Faces` answers: source offsets, and the task that brought it."""

import logging

from contracts.errors import ContractError
from contracts.faces import FacesRecord
from contracts.offsets import SETTLES_HEADER, SOURCE_TOPIC_HEADER, TASK_HEADER, OffsetRange
from contracts.tasks import DetectRange
from messaging.records import LogRecord

log = logging.getLogger(__name__)


def what_it_settles(record: LogRecord) -> tuple[str, OffsetRange] | None:
    """Return the source topic and the offsets that a record in `Faces` answers for; None for a foreign one."""
    settles, topic = record.header(SETTLES_HEADER), record.header(SOURCE_TOPIC_HEADER)
    if settles is None:
        return None
    try:
        offsets = OffsetRange.decode(settles)
        return (topic.decode() if topic else FacesRecord.decode(record.value or b"").source.topic), offsets
    except (ContractError, UnicodeDecodeError) as error:
        log.debug("a record at %s settles nothing: %s", record.source, error)
        return None


def who_answered(record: LogRecord, topic: str, partition: int) -> DetectRange | None:
    """Return the task that published a record, None when it does not say."""
    task = record.header(TASK_HEADER)
    try:
        return None if task is None else DetectRange.decode(topic, partition, task)
    except ContractError as error:
        log.warning("a record at %s names no task: %s", record.source, error)
        return None
