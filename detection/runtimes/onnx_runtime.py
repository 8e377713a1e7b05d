"""ONNX Runtime."""

from pathlib import Path

import onnxruntime

from detection.pictures import Pixels
from detection.runtimes.base import Floats


class OnnxRuntime:
    """Runs an ONNX file on ONNX Runtime.

    Args:
        graph_file: as `detection.graph` writes it.
        threads: how many to use.
    """

    batch = 1

    def __init__(self, graph_file: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph_file, options, providers=["CPUExecutionProvider"])

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, classes, boxes)."""
        boxes, scores = self._session.run(None, {"pictures": pictures})
        return boxes, scores
