"""The graph against OpenCV's own Darknet loader, on networks with random weights."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detection.loading import read_darknet
from detection.manifest import describe_cfg
from detection.runtimes.base import Precision
from detection.runtimes.registry import RUNTIMES
from tests.unit.detection import darknet_files as files
from tests.unit.detection.reference import opencv_outputs

SHIPPED = Path("models/yolov3-face-lite.cfg")
MISH = files.small().replace("activation=leaky", "activation=mish", 3).replace("activation=leaky", "activation=relu", 1)
GROUPS = "\n".join(
    [
        files.net(64),
        files.conv(8, stride=2),
        "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n",
        files.conv(8, stride=4, groups=4),
        files.yolo("0,1", "8,8, 20,30", 3),
    ]
)
SCALED = files.small().replace("thresh=0\n", "thresh=0\nscale_x_y=1.05\n")


@pytest.mark.parametrize(
    "cfg",
    [
        files.small(),
        files.small(96, classes=3),
        MISH,
        GROUPS,
        SCALED,
        files.yolov3(96, classes=2, width=0.125),
        files.yolov3(96, width=0.125, spp=True),
        files.yolov3_tiny(96, classes=3),
    ],
    ids=["small", "classes", "mish", "groups", "scale_x_y", "yolov3", "spp", "tiny"],
)
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "opencv", "torch"])
def test_graph_gives_what_opencv_gives(cfg: str, runtime: str, tmp_path: Path) -> None:
    pytest.importorskip(RUNTIMES[runtime].package)
    file = files.write_model(tmp_path, cfg)
    model = read_darknet(describe_cfg(file), tmp_path)
    shape = (2, 3, model.network.height, model.network.width)
    pictures = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)

    boxes, scores = RUNTIMES[runtime].open(model, "float32", 1).run(pictures)

    expected_boxes, expected_scores = opencv_outputs(file, pictures)
    np.testing.assert_allclose(boxes, expected_boxes, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-4)


def test_opencv_loads_the_shipped_weights_and_gives_the_same_boxes(tmp_path: Path) -> None:
    model = read_darknet(describe_cfg(SHIPPED), tmp_path)
    shape = (model.network.height, model.network.width)
    pictures = cv2.resize(astronaut()[..., ::-1].copy(), shape[::-1]).transpose(2, 0, 1)[None].copy()

    boxes, scores = RUNTIMES["onnxruntime"].open(model, "float32", 1).run(pictures)

    expected_boxes, expected_scores = opencv_outputs(SHIPPED, pictures)
    assert scores.max() > 0.8
    np.testing.assert_allclose(boxes, expected_boxes, rtol=1e-4, atol=1e-3)
    shown = scores > 0.002  # OpenCV sets to zero what is under the thresh of the .cfg
    np.testing.assert_allclose(scores[shown], expected_scores[shown], rtol=1e-4, atol=1e-4)


def test_head_that_a_route_uses_is_decoded_with_a_transposition(tmp_path: Path) -> None:
    head, yolo = files.yolo("0,1", "8,8, 20,30", 2).split("[yolo]")
    parts = [files.net(64), files.conv(8, stride=4), head, "[yolo]" + yolo, "[route]\nlayers=-2\n"]
    parts += ["[maxpool]\nsize=2\nstride=2\n", "[yolo]" + yolo]
    file = files.write_model(tmp_path, "\n".join(parts))
    model = read_darknet(describe_cfg(file), tmp_path)
    pictures = np.random.default_rng(1).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)

    boxes, scores = RUNTIMES["onnxruntime"].open(model, "float32", 1).run(pictures)

    expected_boxes, expected_scores = opencv_outputs(file, pictures)
    np.testing.assert_allclose(boxes, expected_boxes, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-4)


def test_network_that_does_not_start_with_a_convolution(tmp_path: Path) -> None:
    parts = [files.net(64), "[maxpool]\nsize=2\nstride=2\n", files.conv(8, stride=2), files.yolo("0", "8,8", 1)]
    file = files.write_model(tmp_path, "\n".join(parts))
    model = read_darknet(describe_cfg(file), tmp_path)
    pictures = np.random.default_rng(1).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)

    boxes, scores = RUNTIMES["onnxruntime"].open(model, "float32", 1).run(pictures)

    expected_boxes, expected_scores = opencv_outputs(file, pictures)
    np.testing.assert_allclose(boxes, expected_boxes, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 5e-3), ("float16", 2e-2)])
def test_pytorch_on_a_gpu_is_near(precision: Precision, tolerance: float, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    file = files.write_model(tmp_path, files.yolov3_tiny(96, classes=3))
    model = read_darknet(describe_cfg(file), tmp_path)
    pictures = np.random.default_rng(1).integers(0, 256, (4, 3, 96, 96), dtype=np.uint8)

    boxes, scores = RUNTIMES["torch-cuda"].open(model, precision, 1).run(pictures)

    expected_boxes, expected_scores = opencv_outputs(file, pictures)
    np.testing.assert_allclose(boxes, expected_boxes, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(scores, expected_scores, atol=tolerance)
