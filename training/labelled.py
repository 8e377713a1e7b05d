"""A picture with its labels, as every reader of a dataset gives it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.errors import CrowdwatchError

Boxes = npt.NDArray[np.float32]
"""(n, 4): left, top, right, bottom in pixels."""


class DatasetError(CrowdwatchError, ValueError):
    """Training or validation pictures cannot be used. The message names the file and the reason."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """A picture, encoded, with its face boxes and the regions that are neither face nor background.

    Attributes:
        name: for messages.
        data: the encoded picture.
        faces: boxes in pixels of the picture as it is decoded, its EXIF rotation applied.
        ignored: the same, of regions.
    """

    name: str
    data: bytes
    faces: Boxes
    ignored: Boxes

    def __post_init__(self) -> None:
        for field in ("faces", "ignored"):
            shape = getattr(self, field).shape
            if len(shape) != 2 or shape[1] != 4:
                raise ValueError(f"{self.name}: {field}: expected boxes (n, 4), got {shape}")


def to_xyxy(boxes_xywh: list[list[float]]) -> Boxes:
    """Turn boxes of left, top, width, height (what follows in a box is left out) into left, top, right, bottom."""
    array = np.array([box[:4] for box in boxes_xywh], np.float32).reshape(-1, 4)
    return np.concatenate([array[:, :2], array[:, :2] + array[:, 2:]], axis=1)
