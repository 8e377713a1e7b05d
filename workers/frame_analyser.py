"""Frames to results: decoding, detection by the model of each frame's camera, and the reason of a failure."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime

from contracts.errors import ModelError, PictureError
from contracts.faces import Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from detection import Detections, Detector, Picture, decode_picture
from settings import Settings
from workers.camera_detection import CameraDetection
from workers.loaded_models import LoadedModels

log = logging.getLogger(__name__)

_REASON_CHARS = 500
_PIXELS_AT_ONCE = 64_000_000
"""Decoded pictures are held up to a batch of the detector's, or up to about this many pixels (3 bytes each)."""

Results = dict[SourceOffset, FacesRecord]


@dataclass(frozen=True)
class _Waiting:
    """A decoded frame that waits for its batch."""

    frame: Frame
    picture: Picture
    wanted: CameraDetection
    class_ids: frozenset[int] | None


@dataclass
class _Batch:
    """Frames that go through one network together."""

    detector: Detector
    waiting: list[_Waiting] = field(default_factory=list)


class FrameAnalyser:
    """Turns frames into results: decoding, detection, and the reason where one of them fails.

    Args:
        settings: bounds of pictures, and the suppression of boxes.
        models: loads what a camera asks for.
        wanted: how the frames of a camera are detected, by its id.
        now: the time, in UTC.
    """

    def __init__(
        self,
        settings: Settings,
        models: LoadedModels,
        wanted: Callable[[str], CameraDetection],
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._models = models
        self._wanted = wanted
        self._now = now
        self.runtime_name = "none"
        """What ran the last batch."""

    def analyse(
        self, frames: Iterable[Frame], loading: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> list[FacesRecord]:
        """Return a result for each frame, in order. What fails takes none of its neighbours with it.

        A frame is taken from `frames` when it is its turn, so that they may still be on their way. Frames of the same
        model go through the network together, whatever their cameras' thresholds. `loading` is entered while a model
        is loaded, which may take longer than a task.
        """
        results: Results = {}
        order: list[SourceOffset] = []
        batches: dict[str, _Batch] = {}
        room = _PIXELS_AT_ONCE
        for frame in frames:
            order.append(frame.source)
            wanted = self._wanted(frame.camera_id)
            waiting = self._prepare(wanted.with_age_limit(frame), wanted, batches, loading)
            if isinstance(waiting, FacesRecord):
                results[frame.source] = waiting
                continue
            batch = batches[wanted.model]
            batch.waiting.append(waiting)
            room -= waiting.picture.pixels.size // 3
            if room <= 0:
                for full in batches.values():
                    results |= self._detect(full)
                batches, room = {}, _PIXELS_AT_ONCE
            elif len(batch.waiting) == batch.detector.batch:
                del batches[wanted.model]
                room += sum(one.picture.pixels.size // 3 for one in batch.waiting)
                results |= self._detect(batch)
        for rest in batches.values():
            results |= self._detect(rest)
        return [results[source] for source in order]

    def answer(
        self,
        frame: Frame,
        status: Status,
        *,
        model: ModelInfo | None = None,
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
            model=model,
            error=error,
            inference_ms=inference_ms,
            origin=frame.origin,
            received_at=frame.received_at,
            claimed_at=frame.claimed_at,
        )

    def model_of(self, wanted: CameraDetection) -> ModelInfo | None:
        """Name the model that a camera asks for, None if it is not loaded."""
        detector = self._models.loaded(wanted.model)
        return None if detector is None else ModelInfo(detector.name, detector.version, wanted.confidence)

    def _prepare(
        self,
        frame: Frame,
        wanted: CameraDetection,
        batches: dict[str, _Batch],
        loading: Callable[[], AbstractContextManager[None]],
    ) -> _Waiting | FacesRecord:
        """Decode a frame, and see that there is a batch for its model; or answer why it is not detected."""

        def refused(status: Status, reason: str) -> FacesRecord:
            return self.answer(frame, status, model=self.model_of(wanted), error=reason)

        if frame.is_too_old(self._now()):
            reason = f"older than {frame.max_age_ms} ms when it was read"
            return refused(Status.SKIPPED, reason)
        if len(frame.picture) > self._settings.max_picture_bytes:
            reason = f"{len(frame.picture)} bytes, more than the {self._settings.max_picture_bytes} allowed"
            return refused(Status.FAILED, reason)
        try:
            if wanted.model not in batches:
                with loading() if self._models.loaded(wanted.model) is None else nullcontext():
                    batches[wanted.model] = _Batch(self._models.get(wanted.model))
            detector = batches[wanted.model].detector
            class_ids = wanted.class_ids(detector.class_names)
        except ModelError as error:
            return refused(Status.FAILED, str(error))
        try:
            picture = decode_picture(
                frame.picture, max_pixels=self._settings.max_picture_pixels, at_least=max(detector.input_size)
            )
        except PictureError as error:
            log.debug("no picture: %s", error, extra={"frame": str(frame.source)})
            return refused(Status.FAILED, str(error))
        except Exception as error:  # a decoder may throw anything; the frame's neighbours have done nothing
            log.exception("decoding failed: %s", frame.source, extra={"frame": str(frame.source)})
            reason = f"decoding failed: {type(error).__name__}: {error}"[:_REASON_CHARS]
            return refused(Status.FAILED, reason)
        return _Waiting(frame, picture, wanted, class_ids)

    def _detect(self, batch: _Batch) -> Results:
        """Detect in one batch; if that breaks, in one picture after the other, so that only the culprit fails."""
        detector, waiting = batch.detector, batch.waiting
        if not waiting:
            return {}
        started = time.perf_counter()
        try:
            found = detector.detect(
                [one.picture for one in waiting],
                confidence=[one.wanted.confidence for one in waiting],
                nms=self._settings.nms_threshold,
            )
        except Exception as error:  # whatever a runtime throws
            if len(waiting) > 1:
                return {key: value for one in waiting for key, value in self._detect(_Batch(detector, [one])).items()}
            [one] = waiting
            log.exception("detection failed: %s", one.frame.source, extra={"frame": str(one.frame.source)})
            reason = f"detection failed: {type(error).__name__}: {error}"[:_REASON_CHARS]
            return {one.frame.source: self.answer(one.frame, Status.FAILED, model=_info(detector, one), error=reason)}
        each_ms = round((time.perf_counter() - started) * 1000 / len(waiting), 2)
        self.runtime_name = detector.runtime_name
        return {
            one.frame.source: self._found(one, detector, detections, each_ms)
            for one, detections in zip(waiting, found, strict=True)
        }

    def _found(self, one: _Waiting, detector: Detector, detections: Detections, each_ms: float) -> FacesRecord:
        if one.class_ids is not None:
            detections = detections.of_classes(one.class_ids)
        return self.answer(
            one.frame,
            Status.OK,
            model=_info(detector, one),
            faces=detections.to_faces(detector.class_names),
            image=ImageSize(one.picture.width, one.picture.height),
            inference_ms=each_ms,
        )


def _info(detector: Detector, one: _Waiting) -> ModelInfo:
    return ModelInfo(detector.name, detector.version, one.wanted.confidence)
