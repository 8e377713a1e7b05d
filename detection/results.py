"""What a detector found in one picture, as parallel arrays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.faces import BoundingBox, Face


@dataclass(frozen=True, eq=False)
class Detections:
    """The finds in one picture, by falling confidence.

    Attributes:
        boxes_xyxy: (n, 4) float32: left, top, right, bottom in pixels of the picture as sent, clipped to it.
        confidence: (n,) float32 from 0 to 1.
        class_id: (n,) int64, index into the model's class names.
        width: of the picture as sent, in pixels.
        height: the same.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    class_id: npt.NDArray[np.int64]
    width: int
    height: int

    def __post_init__(self) -> None:
        count = len(self.confidence)
        for name, expected, dtype in (
            ("boxes_xyxy", (count, 4), np.float32),
            ("confidence", (count,), np.float32),
            ("class_id", (count,), np.int64),
        ):
            array = getattr(self, name)
            if array.shape != expected or array.dtype != dtype:
                raise ValueError(f"{name}: expected {expected} {np.dtype(dtype)}, got {array.shape} {array.dtype}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"expected a picture of at least 1x1, got {self.width}x{self.height}")

    def __len__(self) -> int:
        return len(self.confidence)

    @classmethod
    def empty(cls, width: int, height: int) -> "Detections":
        """Nothing found in a picture of this size."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), width, height)

    def of_classes(self, class_ids: Collection[int]) -> "Detections":
        """Return the detections of these classes, in order."""
        kept = np.isin(self.class_id, list(class_ids))
        return Detections(self.boxes_xyxy[kept], self.confidence[kept], self.class_id[kept], self.width, self.height)

    def to_faces(self, class_names: Sequence[str]) -> tuple[Face, ...]:
        """Return the contract's faces, in order: boxes of whole pixels inside the picture, at least 1x1, confidence to
        four places, a class name where the model has more than one."""
        limits = np.array([self.width, self.height, self.width, self.height])
        edges = np.clip(np.rint(self.boxes_xyxy), 0, limits).astype(np.int64)
        left, top = np.minimum(edges[:, 0], self.width - 1), np.minimum(edges[:, 1], self.height - 1)
        width, height = np.maximum(edges[:, 2] - left, 1), np.maximum(edges[:, 3] - top, 1)
        return tuple(
            Face(
                face_id=index,
                bounding_box=BoundingBox(int(left[index]), int(top[index]), int(width[index]), int(height[index])),
                confidence=round(float(self.confidence[index]), 4),
                class_name=class_names[int(self.class_id[index])] if len(class_names) > 1 else None,
            )
            for index in range(len(self))
        )
