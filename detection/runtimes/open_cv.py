"""OpenCV's DNN module, from the ONNX file: for machines that have nothing else, and as a second opinion."""

from pathlib import Path

import cv2
import numpy as np

from contracts.errors import ModelError
from detection.pictures import Pixels
from detection.runtimes.base import DarknetModel, Floats, Precision


class OpenCv:
    """Runs an ONNX file of `detection.graph` whose input are floats, picture by picture.

    Args:
        graph_file: the ONNX file.
    """

    batch = 1

    def __init__(self, graph_file: Path) -> None:
        try:
            self._net = cv2.dnn.readNetFromONNX(str(graph_file))
        except cv2.error as error:
            raise ModelError(f"{graph_file.name}: OpenCV cannot read it: {error.err}") from error

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, classes, boxes)."""
        outputs = []
        for picture in pictures:
            self._net.setInput(picture[None].astype(np.float32))
            outputs.append(self._net.forward(["boxes", "scores"]))
        boxes, scores = zip(*outputs, strict=True)
        return np.concatenate(boxes), np.concatenate(scores)


def open_cpu(model: DarknetModel, precision: Precision, threads: int) -> OpenCv:
    """Open a model in float32; OpenCV's threads are one setting of the whole process, set where a model is loaded."""
    return OpenCv(model.graph_file())
