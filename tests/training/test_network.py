"""The learning network and its loss."""

from pathlib import Path

import numpy as np
import pytest
import torch

from detection.darknet.cfg import read_network
from detection.darknet.weights import read_kernels
from detection.loading import read_darknet
from detection.manifest import describe_cfg
from detection.runtimes.registry import RUNTIMES
from tests.training.toy import toy_cfg
from tests.unit.detection import darknet_files as files
from training.boxes import paired_iou
from training.loss import detection_loss
from training.network import LearningNetwork
from training.schedule import learning_rate_share

NETWORK = read_network(toy_cfg().encode(), "toy.cfg")


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("cfg", [files.small(), files.yolov3(96, width=0.1, spp=True), files.yolov3_tiny(96)])
def test_darknet_weights_go_in_and_out(cfg: str, fold: bool, tmp_path: Path) -> None:
    file = files.write_model(tmp_path, cfg)
    network = read_network(cfg.encode(), "net.cfg")
    model = LearningNetwork(network, fold=fold).eval()
    model.load_weights(file.with_suffix(".weights"))

    expected = read_kernels(file.with_suffix(".weights").read_bytes(), network, "net.weights")
    written = read_kernels(model.weights_file(seen=12), network, "net.weights")

    for index, kernel in expected.items():
        np.testing.assert_allclose(written[index].weights, kernel.weights, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(written[index].bias, kernel.bias, rtol=1e-4, atol=1e-6)


def test_it_computes_what_the_detector_computes(tmp_path: Path) -> None:
    file = files.write_model(tmp_path, toy_cfg())
    model = LearningNetwork(NETWORK).eval()
    model.load_weights(file.with_suffix(".weights"))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 96, 96), dtype=np.uint8)
    runtime = RUNTIMES["onnxruntime"].open(read_darknet(describe_cfg(file), tmp_path), "float32", 1)
    _, expected = runtime.run(pictures)

    with torch.no_grad():
        heads = model(torch.from_numpy(pictures[:, ::-1] / np.float32(255)))

    scores = torch.cat([(head[..., 4].sigmoid() * head[..., 5].sigmoid()).flatten(1) for head in heads], 1)
    np.testing.assert_allclose(scores.numpy(), expected[:, 0], atol=1e-5)


def test_the_loss_is_least_where_the_answer_is_right() -> None:
    faces = torch.tensor([[0, 2.0, 10.0, 64.0, 72.0]])
    none = torch.zeros(0, 5)
    right, wrong = _answer((2.0, 10.0, 64.0, 72.0)), _answer((34.0, 30.0, 96.0, 92.0))

    good = detection_loss(NETWORK, right, 96, faces, none)
    bad = detection_loss(NETWORK, wrong, 96, faces, none)

    assert good.total < 0.1 < bad.total
    assert good.box < 1e-3


def test_nothing_is_learned_about_what_is_ignored() -> None:
    none = torch.zeros(0, 5)
    answer = _answer((60.0, 60.0, 84.0, 84.0))

    punished = detection_loss(NETWORK, answer, 96, none, none)
    spared = detection_loss(NETWORK, answer, 96, none, torch.tensor([[0, 55.0, 55.0, 90.0, 90.0]]))
    elsewhere = detection_loss(NETWORK, answer, 96, none, torch.tensor([[1, 55.0, 55.0, 90.0, 90.0]]))

    assert spared.objectness < 0.01 < punished.objectness
    assert elsewhere.objectness == punished.objectness


def test_complete_iou_of_boxes_that_agree_touch_and_lie_apart() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    targets = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [100, 0, 110, 10]])

    iou, complete = paired_iou(boxes, targets)

    assert iou.tolist() == pytest.approx([1, 1 / 3, 0])
    assert complete.tolist() == pytest.approx([1, 1 / 3 - 25 / 325, -(100**2) / (110**2 + 100)])


def test_the_learning_rate_warms_up_and_falls() -> None:
    shares = [learning_rate_share(step, 1000) for step in range(1000)]

    assert shares[0] == pytest.approx(0.02)
    assert max(shares) == 1
    assert shares.index(1) == 49
    assert shares[-1] == pytest.approx(0.01, abs=1e-4)
    assert learning_rate_share(5000, 1000) == pytest.approx(0.01)


def _answer(box: tuple[float, float, float, float]) -> list[torch.Tensor]:
    """Heads that see one face in this place, by the anchor of 40 px, and are sure of the rest being background."""
    heads = [torch.full((1, 2, side, side, 6), -8.0) for side in (6, 12)]
    x, y = (box[0] + box[2]) / 2 / 16, (box[1] + box[3]) / 2 / 16
    place = heads[0][0, 1, int(y), int(x)]
    place[:2] = torch.logit(torch.tensor([x % 1, y % 1]), eps=1e-6)
    place[2:4] = torch.log(torch.tensor([(box[2] - box[0]) / 40, (box[3] - box[1]) / 40]))
    place[4:] = 8.0
    return heads
