"""YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023), the network of OpenCV's FaceDetectorYN.

One box a place at strides 8, 16 and 32: centre and logarithm of the sides in strides; score = sqrt(class x object).
"""

import numpy as np
import onnxruntime

from detection.pictures import Pixels
from detection.runtimes.base import Floats
from detection.runtimes.onnx_faces import input_size, outputs_by_width

_STRIDES = (8, 16, 32)


class YuNet:
    """Runs a YuNet file, picture by picture.

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
        values = self._session.run(self._outputs, {self._input: picture[None].astype(np.float32)})
        width, height = self._size
        boxes, scores = [], []
        for stride, class_, object_, box in zip(_STRIDES, values[:3], values[3:6], values[6:], strict=True):
            rows, columns = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
            x, y, log_width, log_height = box.reshape(-1, 4).T
            boxes.append(
                [
                    (columns + x) * stride / width,
                    (rows + y) * stride / height,
                    np.exp(log_width) * stride / width,
                    np.exp(log_height) * stride / height,
                ]
            )
            scores.append(np.sqrt(np.clip(class_, 0, 1) * np.clip(object_, 0, 1)).reshape(1, -1))
        return np.concatenate(boxes, axis=1).astype(np.float32), np.concatenate(scores, axis=1)
