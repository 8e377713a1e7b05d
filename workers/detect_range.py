"""The work of the one detection task: read a range of the log, decode, detect, publish. It can run twice."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from contracts.errors import PictureError
from contracts.faces import Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.frames import Frame, default_camera_id
from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import DetectRange
from detection import Detector, Picture, decode_picture
from messaging.reader import LogReader
from messaging.records import LogRecord
from settings import Settings
from workers.outcomes import Outcome, OutcomePublisher

log = logging.getLogger(__name__)


class FrameAnalyser:
    """Turns frames into results: decoding, detection, and the reason where one of them fails."""

    def __init__(self, settings: Settings, detector: Detector, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._detector = detector
        self._now = now
        self.model = ModelInfo(detector.name, detector.version, settings.confidence_threshold)

    def analyse(self, frames: Sequence[Frame]) -> list[FacesRecord]:
        """Return a result for each frame, in order. What fails takes none of its neighbours with it."""
        results: dict[SourceOffset, FacesRecord] = {}
        pictures: dict[SourceOffset, Picture] = {}
        for frame in frames:
            if frame.is_too_old(self._now()):
                reason = f"older than {frame.max_age_ms} ms when it was read"
                results[frame.source] = self.answer(frame, Status.SKIPPED, error=reason)
                continue
            try:
                pictures[frame.source] = decode_picture(
                    frame.picture, max_pixels=self._settings.max_picture_pixels, at_least=max(self._detector.input_size)
                )
            except PictureError as error:
                results[frame.source] = self.answer(frame, Status.FAILED, error=str(error))
        decoded = [frame for frame in frames if frame.source in pictures]
        results |= self._detect(decoded, pictures)
        return [results[frame.source] for frame in frames]

    def answer(
        self,
        frame: Frame,
        status: Status,
        *,
        faces: tuple[Face, ...] = (),
        image: ImageSize | None = None,
        error: str | None = None,
        inference_ms: float | None = None,
    ) -> FacesRecord:
        """Build a frame's result, detected now."""
        return FacesRecord(
            source=frame.source,
            camera_id=frame.camera_id,
            frame_id=frame.frame_id,
            captured_at=frame.captured_at,
            detected_at=self._now(),
            status=status,
            faces=faces,
            image=image,
            model=self.model,
            error=error,
            inference_ms=inference_ms,
        )

    def _detect(
        self, frames: Sequence[Frame], pictures: dict[SourceOffset, Picture]
    ) -> dict[SourceOffset, FacesRecord]:
        """Detect in one batch; if that breaks, in one picture after the other, so that only the culprit fails."""
        if not frames:
            return {}
        started = time.perf_counter()
        try:
            found = self._detector.detect(
                [pictures[frame.source] for frame in frames],
                confidence=self._settings.confidence_threshold,
                nms=self._settings.nms_threshold,
            )
        except Exception as error:  # whatever a runtime throws
            if len(frames) == 1:
                log.exception("detection failed: %s", frames[0].source)
                reason = f"detection failed: {type(error).__name__}: {error}"[:500]
                return {frames[0].source: self.answer(frames[0], Status.FAILED, error=reason)}
            return {key: value for frame in frames for key, value in self._detect([frame], pictures).items()}
        each_ms = round((time.perf_counter() - started) * 1000 / len(frames), 2)
        return {
            frame.source: self.answer(
                frame,
                Status.OK,
                faces=detections.to_faces(self._detector.class_names),
                image=ImageSize(pictures[frame.source].width, pictures[frame.source].height),
                inference_ms=each_ms,
            )
            for frame, detections in zip(frames, found, strict=True)
        }


class RangeProcessor:
    """Runs detection tasks in one worker process.

    Args:
        reader: reads the log; started.
        analyser: decodes and detects.
        publisher: publishes what became of the offsets.
        isolate: runs one frame in a child process of its own, and survives its death.
        now: the time, in UTC.
    """

    def __init__(
        self,
        reader: LogReader,
        analyser: FrameAnalyser,
        publisher: OutcomePublisher,
        isolate: Callable[[Frame], FacesRecord],
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._analyser = analyser
        self._publisher = publisher
        self._isolate = isolate
        self._now = now

    def process(self, task: DetectRange) -> None:
        """Answer for every offset of the task, in `Faces`.

        Raises:
            UnavailableError: Kafka did not give or take records in time.
            ContractError: the range was never written.
        """
        started = time.perf_counter()
        read = self._reader.read_range(task.topic, task.partition, task.offsets)
        outcomes = [Outcome(gap) for gap in read.gaps]
        for gone in read.expired:
            outcomes += [self._expired(task, offset) for offset in range(gone.start, gone.stop)]
        frames = [_to_frame(record) for record in read.records]
        results = [self._isolate(frame) for frame in frames] if task.isolated else self._analyser.analyse(frames)
        for frame, result in zip(frames, results, strict=True):
            offsets = OffsetRange(frame.source.offset, frame.source.offset + 1)
            outcomes.append(Outcome(offsets, result, frame if result.status is Status.FAILED else None))
        self._publisher.publish(task, outcomes, lambda: (time.perf_counter() - started) * 1000)

    def _expired(self, task: DetectRange, offset: int) -> Outcome:
        """Answer for a frame that retention removed: nothing is known of it but its place."""
        now = self._now()
        record = FacesRecord(
            source=SourceOffset(task.topic, task.partition, offset),
            camera_id=default_camera_id(task.partition),
            frame_id=offset,
            captured_at=now,
            detected_at=now,
            status=Status.FAILED,
            error="removed from the log by its retention before it was read",
        )
        return Outcome(OffsetRange(offset, offset + 1), record)


def _to_frame(record: LogRecord) -> Frame:
    return Frame.from_record(
        record.source,
        key=record.key,
        value=record.value,
        headers=record.headers,
        timestamp_ms=record.timestamp_ms,
    )
