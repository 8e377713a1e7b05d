"""Other face detectors, to be measured on the same pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from contracts.errors import ModelError
from detection import Detections, Detector, load_detector
from detection.detector import AnyPicture, Confidence
from detection.model_store import import_onnx
from detection.pictures import Picture


class HaarCascade:
    """OpenCV's frontal face cascade at its usual setting; what it reports at all is above every threshold."""

    name = "haar-frontalface"
    version = cv2.__version__
    input_size = (0, 0)  # it takes pictures as they are
    class_names: tuple[str, ...] = ("face",)
    runtime_name = "opencv:float32"
    batch = 1

    def __init__(self) -> None:
        file = Path(cv2.__file__).parent / "data/haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(file))
        if self._cascade.empty():
            raise ModelError(f"{file}: the cascade cannot be read")

    def detect(
        self, pictures: Sequence[AnyPicture], *, confidence: Confidence = 0.5, nms: float = 0.5
    ) -> list[Detections]:
        """Find faces; `nms` has no meaning here, and every face is above every `confidence`."""
        return [
            self._detect(picture if isinstance(picture, Picture) else Picture.from_frame(picture))
            for picture in pictures
        ]

    def _detect(self, picture: Picture) -> Detections:
        grey = cv2.equalizeHist(cv2.cvtColor(picture.pixels, cv2.COLOR_BGR2GRAY))
        boxes, _, weights = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=3, minSize=(10, 10), outputRejectLevels=True
        )
        if not len(boxes):
            return Detections.empty(picture.width, picture.height)
        order = np.argsort(-np.asarray(weights).ravel(), kind="stable")
        xywh = np.asarray(boxes, np.float32)[order]
        weight = np.asarray(weights, np.float32).ravel()[order]
        return Detections(
            np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1),
            (0.5 + 0.5 * weight / (1 + np.abs(weight))).clip(0.5, 1).astype(np.float32),
            np.zeros(len(order), np.int64),
            picture.width,
            picture.height,
        )


def load_peer(file: Path, cache_dir: Path, threads: int) -> Detector:
    """Load a YuNet or SCRFD from its .onnx.

    Raises:
        ModelError: it is neither, or damaged.
    """
    entry = import_onnx(file, None, cache_dir)
    return load_detector(entry.name, threads=threads, cache_dir=cache_dir)
