"""Measures the ranges that int8 needs, by running pictures through the network in float32."""

from collections.abc import Iterable

import numpy as np
import onnxruntime

from contracts.errors import ModelError
from detection.calibration import Calibration, RangeFinder, calibrated_values
from detection.graph import build_graph
from detection.pictures import Picture
from detection.prepare import Fit, Placement, fill_input
from detection.runtimes.base import DarknetModel


def calibrate(model: DarknetModel, pictures: Iterable[Picture], fit: Fit, threads: int) -> Calibration:
    """Measure the ranges of a network's inner values.

    Args:
        model: the network and its weights.
        pictures: a hundred or two of the kind that it will see.
        fit: how they are fitted into its input.
        threads: that ONNX Runtime may use.

    Raises:
        ModelError: there are no pictures.
    """
    names = calibrated_values(model.network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    graph = build_graph(model.network, model.kernels, expose=names)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    finder, count = RangeFinder(names), 0
    size = (model.network.width, model.network.height)
    planes = np.empty((1, 3, size[1], size[0]), np.uint8)
    for picture in pictures:
        fill_input(planes[0], picture, Placement.of(picture, size, fit))
        finder.add(dict(zip(names, session.run(names, {"pictures": planes}), strict=True)))
        count += 1
    if not count:
        raise ModelError("calibration needs pictures, got none")
    return Calibration(model.version, count, finder.ranges())
