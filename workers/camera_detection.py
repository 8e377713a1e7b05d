"""How each camera's frames are detected: model, threshold, classes and maximum age, as its document has them now."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contracts.camera_checks import LEAST_CONFIDENCE
from contracts.cameras import Camera
from contracts.classes import counted_classes
from contracts.errors import ModelError, UnavailableError
from contracts.frames import Frame, Origin
from settings import Settings

if TYPE_CHECKING:  # the child process of `workers.isolation` starts without MongoDB's driver
    from storage.cameras import CameraChanges

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_FIRST_LOOK_WITHIN_S = 3.0


@dataclass(frozen=True)
class CameraDetection:
    """How the frames of one camera are detected.

    Attributes:
        model: its name.
        confidence: from which a detection is reported.
        classes: the names of those that are reported; None for the model's usual ones.
        max_age_ms: of frames that do not say so themselves.
    """

    model: str
    confidence: float
    classes: tuple[str, ...] | None = None
    max_age_ms: int | None = None

    @classmethod
    def of(cls, camera: Camera | None, settings: Settings) -> "CameraDetection":
        """Read it from a camera's document; what that leaves open is the settings'."""
        if camera is None:
            return cls(settings.model, settings.confidence_threshold)
        threshold = camera.confidence_threshold
        return cls(
            model=camera.model or settings.model,
            confidence=settings.confidence_threshold if threshold is None else max(threshold, LEAST_CONFIDENCE),
            classes=camera.classes,
            max_age_ms=camera.max_age_ms,
        )

    def with_age_limit(self, frame: Frame) -> Frame:
        """Return the frame with the camera's maximum age, unless it has one of its own or is not live."""
        if frame.max_age_ms is not None or self.max_age_ms is None or frame.origin in (Origin.FILE, Origin.UPLOAD):
            return frame
        return replace(frame, max_age_ms=self.max_age_ms)

    def class_ids(self, names: Sequence[str]) -> frozenset[int] | None:
        """Return which of a model's classes are reported, None for all.

        Raises:
            ModelError: the model has none of the classes that the camera asks for.
        """
        counted = counted_classes(names, self.classes)
        if not counted:
            known, asked = ", ".join(names), ", ".join(self.classes or ())
            raise ModelError(f"the model {self.model} has none of the camera's classes {asked:.100}, but {known:.100}")
        return (
            None
            if len(counted) == len(names)
            else frozenset(index for index, name in enumerate(names) if name in counted)
        )


class CameraDetections:
    """Follows the cameras' documents in a thread of its own, so that no task ever waits for MongoDB.

    While MongoDB is unreachable, what was read last stays; before anything was read, the settings apply.

    Args:
        settings: what applies to a camera without a document.
        poll: returns what has changed since its last call.
    """

    def __init__(self, settings: Settings, poll: Callable[[], "CameraChanges"]) -> None:
        self._settings = settings
        self._poll = poll
        self._default = CameraDetection.of(None, settings)
        self._cameras: Mapping[str, CameraDetection] = {}
        self._looked = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="cameras", daemon=True)

    def start(self) -> None:
        """Begin to follow, and wait up to 3 s for the first look."""
        self._thread.start()
        if not self._looked.wait(_FIRST_LOOK_WITHIN_S):
            log.warning("the cameras could not be read yet; the settings apply to all of them until then")

    def of(self, camera_id: str) -> CameraDetection:
        """Return how a camera's frames are detected now."""
        return self._cameras.get(camera_id, self._default)

    def close(self) -> None:
        """Stop following."""
        self._over.set()

    def _follow(self) -> None:
        away = False
        while not self._over.is_set():
            try:
                changes = self._poll()
            except UnavailableError as error:
                if not away:
                    log.warning("cameras keep their settings: %s", error)
                away = True
            except Exception:  # this thread must not end: its process would never see a camera's settings again
                log.exception("the cameras could not be read")
            else:
                away = False
                self._take(changes)
                self._looked.set()
            self._over.wait(_LOOK_EVERY_S)

    def _take(self, changes: "CameraChanges") -> None:
        if not changes.changed and not changes.removed:
            return
        kept = {camera_id: one for camera_id, one in self._cameras.items() if camera_id not in changes.removed}
        self._cameras = kept | {
            camera_id: CameraDetection.of(camera, self._settings) for camera_id, camera in changes.changed.items()
        }
