"""The detector: pictures in, faces out."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from detection.pictures import Picture, Pixels
from detection.prepare import Fit, Placement, fill_input
from detection.results import Detections
from detection.runtimes.base import Floats, Runtime
from detection.suppress import pick_candidates, suppress

AnyPicture: TypeAlias = Picture | npt.NDArray[np.uint8]
Confidence: TypeAlias = float | Sequence[float]
"""The lowest score of a detection: one for all pictures, or one for each."""


class Detector(Protocol):
    """What every detector offers, of whatever kind.

    Attributes:
        name: of the model.
        version: of its weights, and of the arithmetic where that is not float32.
        input_size: width and height of the network's input in pixels.
        class_names: by class id.
        runtime_name: of what runs the network, with its precision, as `--runtime` takes it.
        batch: how many pictures go through the network at once; of more, one batch after the other.
    """

    name: str
    version: str
    input_size: tuple[int, int]
    class_names: tuple[str, ...]
    runtime_name: str
    batch: int

    def detect(
        self, pictures: Sequence[AnyPicture], *, confidence: Confidence = 0.5, nms: float = 0.5
    ) -> list[Detections]:
        """Find faces in pictures of any sizes; one answer a picture, in order."""
        ...


class FaceDetector:
    """A YOLOv3 on some runtime.

    Args:
        name: of the model.
        version: of its weights.
        input_size: width and height of the network's input in pixels.
        class_names: by class id.
        fit: how a picture is brought to that size.
        runtime: what runs the network.
        runtime_name: its name, with its precision.
    """

    def __init__(
        self,
        *,
        name: str,
        version: str,
        input_size: tuple[int, int],
        class_names: tuple[str, ...],
        fit: Fit,
        runtime: Runtime,
        runtime_name: str,
    ) -> None:
        self.name = name
        self.version = version
        self.input_size = input_size
        self.class_names = class_names
        self.runtime_name = runtime_name
        self.batch = runtime.batch
        self._fit: Fit = fit
        self._runtime = runtime

    def detect(
        self, pictures: Sequence[AnyPicture], *, confidence: Confidence = 0.5, nms: float = 0.5
    ) -> list[Detections]:
        """Find faces.

        Args:
            pictures: decoded pictures, or frames of shape (height, width, 3) uint8 BGR; their sizes may differ.
            confidence: least score of a face, above 0 and up to 1; one for all pictures, or one for each.
            nms: overlap (IoU, 0 to 1) above which the weaker of two boxes of one class goes.

        Returns:
            One answer a picture, in order.

        Raises:
            PictureError: a frame is not of that shape.
            ValueError: a threshold is out of its range, or their number is not that of the pictures.
        """
        each = [confidence] * len(pictures) if isinstance(confidence, (int, float)) else list(confidence)
        if not all(0 < one <= 1 for one in each) or not 0 <= nms <= 1:
            raise ValueError(f"expected 0 < confidence <= 1 and 0 <= nms <= 1, got {confidence} and {nms}")
        if len(each) != len(pictures):
            raise ValueError(f"expected a confidence for each of {len(pictures)} pictures, got {len(each)}")
        whole = [picture if isinstance(picture, Picture) else Picture.from_frame(picture) for picture in pictures]
        found: list[Detections] = []
        for start in range(0, len(whole), self.batch):
            batch = slice(start, start + self.batch)
            found += self._detect_batch(whole[batch], each[batch], nms)
        return found

    def _detect_batch(self, pictures: Sequence[Picture], confidence: Sequence[float], nms: float) -> list[Detections]:
        width, height = self.input_size
        inputs: Pixels = np.empty((len(pictures), 3, height, width), np.uint8)
        placements = [Placement.of(picture, self.input_size, self._fit) for picture in pictures]
        for planes, picture, placement in zip(inputs, pictures, placements, strict=True):
            fill_input(planes, picture, placement)
        boxes, scores = self._runtime.run(inputs)
        return [
            self._finish(boxes[index], scores[index], picture, placements[index], confidence[index], nms)
            for index, picture in enumerate(pictures)
        ]

    def _finish(
        self, boxes: Floats, scores: Floats, picture: Picture, placement: Placement, confidence: float, nms: float
    ) -> Detections:
        boxes_xyxy, confidences, class_id = pick_candidates(boxes, scores, confidence)
        if not len(confidences):
            return Detections.empty(picture.width, picture.height)
        width, height = self.input_size
        on_input = boxes_xyxy * np.array([width, height, width, height], np.float32)
        in_picture = placement.to_picture(on_input, picture)
        visible = (in_picture[:, 2] > in_picture[:, 0]) & (in_picture[:, 3] > in_picture[:, 1])
        in_picture, confidences, class_id = in_picture[visible], confidences[visible], class_id[visible]
        kept = suppress(in_picture, confidences, class_id, nms)
        return Detections(in_picture[kept], confidences[kept], class_id[kept], picture.width, picture.height)
