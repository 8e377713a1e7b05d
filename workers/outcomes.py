"""What became of a task's offsets, and how it is published: a record in `Faces` for each frame, dead frames aside."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from contracts.errors import UnavailableError
from contracts.faces import MOST_FACES, MOST_RESULT_BYTES, Face, FacesRecord
from contracts.offsets import (
    LOG_HEADER,
    SERVICE_HEADER,
    SETTLES_HEADER,
    SOURCE_TOPIC_HEADER,
    TASK_HEADER,
    TRACEPARENT_HEADER,
    OffsetRange,
    SourceOffset,
)
from contracts.tasks import DetectRange
from messaging.client import max_record_bytes
from messaging.dead import DeadLetters
from messaging.producer import Producer, wait_for_all
from messaging.records import LogRecord
from settings import Settings

log = logging.getLogger(__name__)

_ACKNOWLEDGED_WITHIN_S = 60.0
_ENVELOPE_BYTES = 64 * 1024
"""Room for key and headers beside a result."""

_MOST_TRACE_BYTES = 200


@dataclass(frozen=True)
class Outcome:
    """What answers for some offsets: a frame's result, or nothing where the log holds nothing.

    `dead` is the record to be put aside, when its frame failed; `traceparent` is that of the frame's producer.
    """

    offsets: OffsetRange
    result: FacesRecord | None = None
    dead: LogRecord | None = None
    traceparent: bytes | None = None


class OutcomePublisher:
    """Publishes outcomes, each to the partition number of its source.

    Acknowledgements of a task of several frames are waited for when the next one is published: meanwhile that one is
    read and detected. What Kafka does not take is missing in `Faces`, and made again from the log.
    """

    def __init__(self, producer: Producer, settings: Settings) -> None:
        self._producer = producer
        self._sent: list[Future[SourceOffset]] = []
        self._topic_faces = settings.topic_faces
        self._most_bytes = min(MOST_RESULT_BYTES, max_record_bytes(settings) - _ENVELOPE_BYTES)
        self._dead = DeadLetters(producer, settings)

    def say_alive(self, task: DetectRange) -> None:
        """Tell the bridge that the task is at work; nothing is waited for, and nothing depends on it.

        Raises:
            UnavailableError: Kafka does not take records.
        """
        headers = [(SOURCE_TOPIC_HEADER, task.topic.encode()), (TASK_HEADER, task.encode())]
        self._producer.send(self._topic_faces, None, partition=task.partition, headers=headers)

    def publish(self, task: DetectRange, outcomes: Sequence[Outcome], service_ms: Callable[[], float]) -> None:
        """Publish all outcomes of a task; a single one is sent at once, others within the producer's linger.

        A dead frame is put aside before its result is published: nobody looks again at an offset that is settled. A
        result that Kafka or MongoDB would find too large is cut to its most confident detections.

        Raises:
            TooLargeError: the topic takes less than the settings say.
            UnavailableError: Kafka did not take them in time.
        """
        service = b"%d" % max(1, round(service_ms()))
        deadline = time.monotonic() + _ACKNOWLEDGED_WITHIN_S
        self._see_off_the_last(deadline)
        self._dead.bury_all(
            [
                (outcome.dead, (outcome.result and outcome.result.error) or "unknown")
                for outcome in outcomes
                if outcome.dead is not None
            ],
            task.attempt,
        )
        beside = [
            (SOURCE_TOPIC_HEADER, task.topic.encode()),
            (TASK_HEADER, task.encode()),
            (SERVICE_HEADER, service),
            *_log(outcomes),
        ]
        sent = [
            self._producer.send(
                self._topic_faces,
                None if outcome.result is None else fit(outcome.result, self._most_bytes),
                key=None if outcome.result is None else outcome.result.camera_id.encode(),
                partition=task.partition,
                headers=[(SETTLES_HEADER, outcome.offsets.encode()), *beside, *_trace(outcome)],
            )
            for outcome in outcomes
        ]
        if len(outcomes) > 1:
            self._sent = sent
            return
        self._producer.flush(max(0.0, deadline - time.monotonic()))
        wait_for_all(sent)

    def _see_off_the_last(self, deadline: float) -> None:
        """Wait until Kafka has the results of the task before: it takes no more from a worker than it can keep."""
        sent, self._sent = self._sent, []
        try:
            wait_for_all(sent, max(0.0, deadline - time.monotonic()))
        except UnavailableError as error:
            log.warning("results of the task before are missing: %s", error)


def fit(result: FacesRecord, most_bytes: int, most_faces: int = MOST_FACES) -> bytes:
    """Encode a result; one that is too large keeps its most confident detections, and its `error` says how many."""
    encoded, kept = result.encode(), len(result.faces)
    while kept and (len(encoded) > most_bytes or kept > most_faces):
        kept = min(most_faces, kept // 2) if kept > 1 else 0
        error = f"{len(result.faces)} detections are too many for a record: the {kept} most confident are kept"
        encoded = replace(result, faces=_most_confident(result.faces, kept), error=error).encode()
    return encoded


def _most_confident(faces: Sequence[Face], count: int) -> tuple[Face, ...]:
    """Return the most confident detections, in their old order."""
    best = sorted(range(len(faces)), key=lambda index: -faces[index].confidence)[:count]
    return tuple(faces[index] for index in sorted(best))


def _log(outcomes: Sequence[Outcome]) -> list[tuple[str, bytes]]:
    """Return the header that names the log of a task's offsets, where its results say so."""
    ids = [outcome.result.log_id for outcome in outcomes if outcome.result is not None and outcome.result.log_id]
    return [(LOG_HEADER, ids[0].encode())] if ids else []


def _trace(outcome: Outcome) -> list[tuple[str, bytes]]:
    if outcome.traceparent is None or len(outcome.traceparent) > _MOST_TRACE_BYTES:
        return []
    return [(TRACEPARENT_HEADER, outcome.traceparent)]
