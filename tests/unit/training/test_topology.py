"""The .cfg files that are compared, and the shipped one, come from one description."""

import pytest

from detection.darknet.cfg import read_network
from detection.darknet.layers import Convolution, Yolo
from detection.manifest import SHIPPED
from training.topology import main, write_topology


def test_without_options_it_is_the_shipped_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    assert capsys.readouterr().out == (SHIPPED / "yolov3-face-lite.cfg").read_text()


def test_the_published_network_has_as_many_layers_and_weights_as_published() -> None:
    text = write_topology(width=1, blocks=(1, 2, 8, 8, 4), pairs=3, stem=1, side=416)

    network = read_network(text.encode(), "yolov3.cfg")

    assert len(network.layers) == 107
    assert 20 + 4 * sum(layer.parameters for layer in network.layers if isinstance(layer, Convolution)) == 246_305_388


@pytest.mark.parametrize(("finest", "rows"), [(8, [16, 32, 64]), (4, [32, 64, 128])])
def test_heads_are_at_the_strides_that_are_asked_for(finest: int, rows: list[int]) -> None:
    network = read_network(write_topology(finest=finest).encode(), "x.cfg")

    heads = [layer for layer in network.layers if isinstance(layer, Yolo)]
    assert [head.shape.height for head in heads] == rows
    assert [len(head.anchors) for head in heads] == [3, 3, 3]
    assert heads[0].anchors[0][0] > heads[2].anchors[2][0], "the coarsest head has the largest faces"
