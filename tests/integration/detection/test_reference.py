"""The published networks at full size with random weights, against OpenCV's own loader."""

from pathlib import Path

import numpy as np
import pytest

from detection.loading import read_darknet
from detection.manifest import describe_cfg
from detection.runtimes.registry import RUNTIMES
from tests.unit.detection import darknet_files as files
from tests.unit.detection.reference import opencv_outputs

NETWORKS = {
    "yolov3-416": files.yolov3(416),
    "yolov3-80-classes-320": files.yolov3(320, classes=80),
    "spp-608": files.yolov3(608, spp=True),
    "tiny-80-classes-416": files.yolov3_tiny(416, classes=80),
    "tiny-608": files.yolov3_tiny(608),
    "quarter-width-320": files.yolov3(320, width=0.25),
    "quarter-width-416": files.yolov3(416, width=0.25),
    "quarter-width-608": files.yolov3(608, classes=80, width=0.25),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_raw_outputs_match_within_a_thousandth(name: str, tmp_path: Path) -> None:
    file = files.write_model(tmp_path, NETWORKS[name])
    model = read_darknet(describe_cfg(file), tmp_path)
    shape = (1, 3, model.network.height, model.network.width)
    pictures = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    expected_boxes, expected_scores = opencv_outputs(file, pictures)

    for runtime in ("onnxruntime", "openvino"):
        boxes, scores = RUNTIMES[runtime].open(model, "float32", 2).run(pictures)
        # Random weights also give boxes many times as large as the picture: there a thousandth of the box.
        assert (np.abs(boxes - expected_boxes) / np.maximum(expected_boxes, 1)).max() < 1e-3, runtime
        assert np.abs(scores - expected_scores).max() < 1e-3, runtime
    for graph in (tmp_path / "graphs").iterdir():
        graph.unlink()
