"""SCRFD (Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", 2021) on ONNX Runtime.

Two anchors a place at strides 8, 16 and 32; each predicts its score and the distances to the four sides in strides.
"""

import numpy as np
import onnxruntime

from detection.pictures import Pixels
from detection.runtimes.base import Floats
from detection.runtimes.onnx_faces import input_size, outputs_by_width

_STRIDES = (8, 16, 32)


class Scrfd:
    """Runs a SCRFD file, picture by picture.

    Args:
        session: of the file.
    """

    batch = 1

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = outputs_by_width(session, 1) + outputs_by_width(session, 4)
        self._size = input_size(session)

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, 1, boxes)."""
        found = [self._run_one(picture) for picture in pictures]
        return np.stack([boxes for boxes, _ in found]), np.stack([scores for _, scores in found])

    def _run_one(self, picture: Pixels) -> tuple[Floats, Floats]:
        rgb = (picture[None, ::-1].astype(np.float32) - np.float32(127.5)) / np.float32(128)
        values = self._session.run(self._outputs, {self._input: np.ascontiguousarray(rgb)})
        width, height = self._size
        boxes, scores = [], []
        for stride, score, distance in zip(_STRIDES, values[:3], values[3:], strict=True):
            rows, columns = np.mgrid[: -(-height // stride), : -(-width // stride)].reshape(2, -1)
            anchors = score.size // rows.size
            x, y = (np.repeat(cells * stride, anchors).astype(np.float32) for cells in (columns, rows))
            left, top, right, bottom = distance.reshape(-1, 4).T * stride
            boxes.append(
                [
                    (2 * x - left + right) / (2 * width),
                    (2 * y - top + bottom) / (2 * height),
                    (left + right) / width,
                    (top + bottom) / height,
                ]
            )
            scores.append(score.reshape(1, -1))
        return np.concatenate(boxes, axis=1).astype(np.float32), np.concatenate(scores, axis=1)
