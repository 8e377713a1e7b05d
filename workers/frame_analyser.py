"""Frames to results: decoding, detection, and the reason where one of them fails."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from contracts.errors import PictureError
from contracts.faces import Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from detection import Detector, Picture, decode_picture
from settings import Settings

log = logging.getLogger(__name__)

_REASON_CHARS = 500
_PIXELS_AT_ONCE = 64_000_000
"""Decoded pictures are held up to a batch of the detector's, or up to about this many pixels (3 bytes each)."""


class FrameAnalyser:
    """Turns frames into results: decoding, detection, and the reason where one of them fails."""

    def __init__(self, settings: Settings, detector: Detector, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._detector = detector
        self._now = now
        self.model = ModelInfo(detector.name, detector.version, settings.confidence_threshold)

    def analyse(self, frames: Iterable[Frame]) -> list[FacesRecord]:
        """Return a result for each frame, in order. What fails takes none of its neighbours with it.

        A frame is taken from `frames` when it is its turn, so that they may still be on their way.
        """
        results: dict[SourceOffset, FacesRecord] = {}
        order: list[SourceOffset] = []
        batch: list[tuple[Frame, Picture]] = []
        room = _PIXELS_AT_ONCE
        for frame in frames:
            order.append(frame.source)
            if frame.is_too_old(self._now()):
                reason = f"older than {frame.max_age_ms} ms when it was read"
                results[frame.source] = self.answer(frame, Status.SKIPPED, error=reason)
                continue
            if len(frame.picture) > self._settings.max_picture_bytes:
                reason = f"{len(frame.picture)} bytes, more than the {self._settings.max_picture_bytes} allowed"
                results[frame.source] = self.answer(frame, Status.FAILED, error=reason)
                continue
            try:
                picture = decode_picture(
                    frame.picture, max_pixels=self._settings.max_picture_pixels, at_least=max(self._detector.input_size)
                )
            except PictureError as error:
                log.debug("no picture: %s", error, extra={"frame": str(frame.source)})
                results[frame.source] = self.answer(frame, Status.FAILED, error=str(error))
                continue
            except Exception as error:  # a decoder may throw anything; the frame's neighbours have done nothing
                log.exception("decoding failed: %s", frame.source, extra={"frame": str(frame.source)})
                reason = f"decoding failed: {type(error).__name__}: {error}"[:_REASON_CHARS]
                results[frame.source] = self.answer(frame, Status.FAILED, error=reason)
                continue
            batch.append((frame, picture))
            room -= picture.pixels.size // 3
            if room <= 0 or len(batch) == self._detector.batch:
                results |= self._detect(batch)
                batch, room = [], _PIXELS_AT_ONCE
        results |= self._detect(batch)
        return [results[source] for source in order]

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

    def _detect(self, batch: Sequence[tuple[Frame, Picture]]) -> dict[SourceOffset, FacesRecord]:
        """Detect in one batch; if that breaks, in one picture after the other, so that only the culprit fails."""
        if not batch:
            return {}
        started = time.perf_counter()
        try:
            found = self._detector.detect(
                [picture for _, picture in batch],
                confidence=self._settings.confidence_threshold,
                nms=self._settings.nms_threshold,
            )
        except Exception as error:  # whatever a runtime throws
            if len(batch) > 1:
                return {key: value for one in batch for key, value in self._detect([one]).items()}
            [(frame, _)] = batch
            log.exception("detection failed: %s", frame.source, extra={"frame": str(frame.source)})
            reason = f"detection failed: {type(error).__name__}: {error}"[:_REASON_CHARS]
            return {frame.source: self.answer(frame, Status.FAILED, error=reason)}
        each_ms = round((time.perf_counter() - started) * 1000 / len(batch), 2)
        return {
            frame.source: self.answer(
                frame,
                Status.OK,
                faces=detections.to_faces(self._detector.class_names),
                image=ImageSize(picture.width, picture.height),
                inference_ms=each_ms,
            )
            for (frame, picture), detections in zip(batch, found, strict=True)
        }
