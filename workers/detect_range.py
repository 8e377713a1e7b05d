"""The work of the one detection task: read a range of the log, decode, detect, publish. It can run twice."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from contracts.errors import ContractError, CrowdwatchError, NeverWrittenError, TooLargeError, UnavailableError
from contracts.faces import FacesRecord, Status
from contracts.frames import Frame
from contracts.ids import default_camera_id
from contracts.offsets import TRACEPARENT_HEADER, OffsetRange, SourceOffset
from contracts.tasks import LAST_ATTEMPT, DetectRange
from messaging.reader import LogReader
from messaging.records import LogRecord
from workers.frame_analyser import FrameAnalyser
from workers.outcomes import Outcome, OutcomePublisher

log = logging.getLogger(__name__)

_EXPIRED = "removed from the log by its retention before it was read"
_REASON_CHARS = 500
_ALIVE_EVERY_S = 3.0


class RangeProcessor:
    """Runs detection tasks in one worker process.

    Args:
        reader: reads the log; started.
        analyser: decodes and detects.
        publisher: publishes what became of the offsets.
        isolate: runs one frame in a child process of its own, and survives its death.
        now: the time, in UTC.
        measured: told what became of each task's offsets, and how many seconds it took.
    """

    def __init__(
        self,
        reader: LogReader,
        analyser: FrameAnalyser,
        publisher: OutcomePublisher,
        isolate: Callable[[Frame], FacesRecord],
        now: Callable[[], datetime],
        measured: Callable[[DetectRange, Sequence[Outcome], float], None],
    ) -> None:
        self._reader = reader
        self._analyser = analyser
        self._publisher = publisher
        self._isolate = isolate
        self._now = now
        self._measured = measured
        self._log_ids: dict[str, str | None] = {}

    def process(self, task: DetectRange) -> None:
        """Answer for every offset of the task, in `Faces`.

        Whatever goes wrong with a single frame is its failure. Where several are at once, the error is raised: the
        bridge plans them again, and at last one by one. Servers that are away are nobody's failure.

        Raises:
            UnavailableError: Kafka did not give or take records in time.
            NeverWrittenError: the range lies behind the end of the log.
            Exception: whatever went wrong with a task of several frames.
        """
        started = time.perf_counter()

        def service_ms() -> float:
            return (time.perf_counter() - started) * 1000

        try:
            outcomes = self._outcomes(task)
            self._publisher.publish(task, outcomes, service_ms)
        except Exception as error:
            is_ours = isinstance(error, (UnavailableError, NeverWrittenError)) and not isinstance(error, TooLargeError)
            if is_ours or not task.isolated:
                raise
            log.warning("%s fails: %r", task, error, exc_info=not isinstance(error, CrowdwatchError))
            reason = str(error) if isinstance(error, CrowdwatchError) else f"{type(error).__name__}: {error}"
            outcomes = [self._unknown(task, offset, reason[:_REASON_CHARS]) for offset in range(task.start, task.stop)]
            self._publisher.publish(task, outcomes, service_ms)
        self._measured(task, outcomes, time.perf_counter() - started)

    def _outcomes(self, task: DetectRange) -> list[Outcome]:
        """Read a task's frames and detect; return what became of each offset."""
        outcomes: list[Outcome] = []
        records: list[LogRecord] = []
        frames = self._read(task, outcomes, records)
        if task.isolated:
            results = [self._alone(task, one) for one in frames]
        else:
            results = self._analyser.analyse(frames, lambda: _signs_of_life(lambda: self._publisher.say_alive(task)))
        log_id = self._log_id(task.topic)
        for record, result in zip(records, results, strict=True):
            offsets = OffsetRange(record.source.offset, record.source.offset + 1)
            dead = record if result.status is Status.FAILED else None
            trace = record.header(TRACEPARENT_HEADER)
            outcomes.append(Outcome(offsets, replace(result, log_id=log_id), dead, trace))
        return outcomes

    def _log_id(self, topic: str) -> str | None:
        """Return the id of the log that was just read.

        Raises:
            UnavailableError: the topic has been made again since the last task: which log was read is not known.
        """
        before, now = self._log_ids.get(topic), self._reader.log_id(topic)
        self._log_ids[topic] = now
        if before is not None and before != now:
            raise UnavailableError(f"{topic} was made again; the task is done again")
        return now

    def _read(self, task: DetectRange, outcomes: list[Outcome], records: list[LogRecord]) -> Iterator[Frame]:
        """Give the frames of a task as they come from the log; note each one's record, and what holds none."""
        for part in self._reader.read_parts(task.topic, task.partition, task.offsets):
            outcomes += [Outcome(gap) for gap in part.gaps]
            for gone in part.expired:
                outcomes += [self._unknown(task, offset, _EXPIRED) for offset in range(gone.start, gone.stop)]
            for record in part.records:
                try:
                    frame = _to_frame(record)
                except ContractError as error:
                    outcomes.append(self._unknown(task, record.source.offset, str(error)[:_REASON_CHARS], record))
                else:
                    records.append(record)
                    yield frame

    def _alone(self, task: DetectRange, frame: Frame) -> FacesRecord:
        """Run a frame in a process of its own; when there is none to be had, time after time, give up."""
        try:
            with _signs_of_life(lambda: self._publisher.say_alive(task)):
                return self._isolate(frame)
        except UnavailableError as error:
            if task.attempt < LAST_ATTEMPT:
                raise
            reason = f"not tried, after {task.attempt} attempts: {error}"[:_REASON_CHARS]
            return self._analyser.answer(frame, Status.FAILED, error=reason)

    def _unknown(self, task: DetectRange, offset: int, reason: str, dead: LogRecord | None = None) -> Outcome:
        """Answer for a frame that cannot be had: nothing is known of it but its place, and when its record came."""
        now = self._now()
        record = FacesRecord(
            source=SourceOffset(task.topic, task.partition, offset),
            camera_id=default_camera_id(task.partition),
            frame_id=offset,
            captured_at=now if dead is None else dead.at,
            detected_at=now,
            status=Status.FAILED,
            error=reason,
            received_at=None if dead is None else dead.at,
            log_id=self._reader.log_id(task.topic),
        )
        return Outcome(OffsetRange(offset, offset + 1), record, dead)


@contextmanager
def _signs_of_life(give: Callable[[], None]) -> Iterator[None]:
    """Call `give` at once and every few seconds, from a thread of its own, until the block ends."""
    over = threading.Event()

    def keep_giving() -> None:
        while True:
            try:
                give()
            except UnavailableError as error:
                log.warning("no sign of life could be given: %s", error)
            if over.wait(_ALIVE_EVERY_S):
                return

    thread = threading.Thread(target=keep_giving, name="signs-of-life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _to_frame(record: LogRecord) -> Frame:
    return Frame.from_record(
        record.source,
        key=record.key,
        value=record.value,
        headers=record.headers,
        timestamp_ms=record.timestamp_ms,
    )
