"""What became of a task's offsets, and how it is published: a record in `Faces` for each frame, dead frames aside."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from contracts.errors import UnavailableError
from contracts.faces import FacesRecord, Status
from contracts.frames import Frame
from contracts.offsets import SERVICE_HEADER, SETTLES_HEADER, SOURCE_TOPIC_HEADER, OffsetRange, SourceOffset
from contracts.tasks import DetectRange
from messaging.producer import Producer

_ACKNOWLEDGE_WITHIN_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """What answers for some offsets: a frame's result, or nothing where the log holds nothing.

    `dead` is the frame to be copied to `frames.dead`, when it failed.
    """

    offsets: OffsetRange
    record: FacesRecord | None = None
    dead: Frame | None = None


class OutcomePublisher:
    """Publishes outcomes, each to the partition number of its source."""

    def __init__(self, producer: Producer, topic_faces: str, topic_dead: str) -> None:
        self._producer = producer
        self._topic_faces = topic_faces
        self._topic_dead = topic_dead

    def publish(self, task: DetectRange, outcomes: Sequence[Outcome], service_ms: Callable[[], float]) -> None:
        """Publish all outcomes of a task, and wait until Kafka has acknowledged them.

        A dead frame is copied aside before its result is published: nobody looks again at an offset that is settled.

        Raises:
            UnavailableError: Kafka did not acknowledge in time; the task is to be lost, and made again.
        """
        _wait([self._bury(outcome.dead, outcome.record, task.attempt) for outcome in outcomes if outcome.dead])
        beside = [(SOURCE_TOPIC_HEADER, task.topic.encode()), (SERVICE_HEADER, b"%d" % max(1, round(service_ms())))]
        _wait(
            [
                self._producer.send(
                    self._topic_faces,
                    None if outcome.record is None else outcome.record.encode(),
                    key=None if outcome.record is None else outcome.record.camera_id.encode(),
                    partition=task.partition,
                    headers=[(SETTLES_HEADER, outcome.offsets.encode()), *beside],
                )
                for outcome in outcomes
            ]
        )

    def _bury(self, frame: Frame, record: FacesRecord | None, attempts: int) -> "Future[SourceOffset]":
        reason = record.error if record is not None and record.status is Status.FAILED else None
        headers = [
            ("error", (reason or "unknown").encode()),
            ("attempts", str(attempts).encode()),
            ("source", str(frame.source).encode()),
        ]
        return self._producer.send(self._topic_dead, frame.picture, key=frame.camera_id.encode(), headers=headers)


def _wait(sent: "list[Future[SourceOffset]]") -> None:
    deadline = time.monotonic() + _ACKNOWLEDGE_WITHIN_S
    for future in sent:
        try:
            future.result(timeout=max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError as error:
            raise UnavailableError(f"Kafka did not acknowledge within {_ACKNOWLEDGE_WITHIN_S:g} s") from error
