"""Reading a .cfg: shapes, and errors that name the line."""

import pytest

from contracts.errors import ModelError
from detection.darknet.cfg import read_network
from detection.darknet.layers import Convolution
from tests.unit.detection import darknet_files as files


@pytest.mark.parametrize(
    ("cfg", "layers", "weights"),
    [
        (files.yolov3(416, 80), 107, 248_007_048),  # the sizes of the published weights files
        (files.yolov3(416, 1), 107, 246_305_388),
        (files.yolov3(608, 80, spp=True), 114, 252_209_544),
        (files.yolov3_tiny(416, 80), 24, 35_434_956),
    ],
    ids=["yolov3", "yolov3-face", "spp", "tiny"],
)
def test_published_networks_have_their_sizes(cfg: str, layers: int, weights: int) -> None:
    network = read_network(cfg.encode(), "dir/published.cfg")

    assert network.name == "published"
    assert len(network.layers) == layers
    assert 20 + 4 * sum(layer.parameters for layer in network.layers if isinstance(layer, Convolution)) == weights


def edited(old: str, new: str) -> str:
    cfg = files.small()
    assert old in cfg
    return cfg.replace(old, new, 1)


@pytest.mark.parametrize(
    ("cfg", "reason"),
    [
        ("", r"net.cfg: expected \[net\] first, got nothing"),
        ("[convolutional]\n", r"expected \[net\] first, got convolutional"),
        ("width=5\n", r"line 1: expected \[net\] before the first option"),
        ("[net]\nwidth 416\n", r"line 2: expected key=value, got 'width 416'"),
        ("[net\n", r"line 1: expected \[layer\]"),
        ("[net]\nwidth=64\nwidth=64\n", r"line 3: width stands twice in \[net\]"),
        ("[net]\nwidth=100\n", r"line 2, \[net\]: width should be a multiple of 32, is 100"),
        ("[net]\nwidth=99999968\n", r"width should be from 32 to 4096"),
        ("[net]\nchannels=1\n", r"channels should be from 3 to 3, is 1"),
        ("[net]\n", r"net.cfg: no \[yolo\] layer"),
        (edited("[maxpool]", "[maxpol]"), r"line \d+, \[maxpol\]: unknown layer; known: convolutional, maxpool"),
        (edited("filters=8", "filtres=8"), r"line 8, \[convolutional\]: unknown key 'filtres'; known here: activation"),
        (edited("filters=8", "filters=eight"), r"line 8, .*filters should be a whole number, is 'eight'"),
        (edited("filters=8", "filters=-1"), r"filters should be from 1 to 65536, is -1"),
        (edited("filters=8", "filters=999999999999999999999"), r"filters should be from 1 to 65536"),
        (edited("leaky", "swish"), r"unknown activation 'swish'; known: leaky, linear, relu, mish, logistic"),
        (edited("from=-3", "from=-30"), r"from names layer -30, but 4 layers come before it"),
        (edited("from=-3", "from=-4"), r"adds layers of different shapes: 16x32x32 and 8x64x64"),
        (edited("layers=-1, -6", "layers=-1, -9"), r"layers of different sizes"),
        (edited("layers=-3\n", "layers=-1\n"), r"layers names layer -1, a \[yolo\]"),
        (edited("layers=-3\n", "groups=2\n"), r"layers is missing"),
        (edited("classes=1", "classes=2"), r"2 anchors with 2 classes need 14 filters before them, got 12"),
        (edited("num=4", "num=5"), r"expected 5 pairs of anchors \(num\), got 8 numbers"),
        (edited("anchors=8,8", "anchors=8,nan"), r"anchors should be from"),
        (edited("mask=2,3", "mask=2,9"), r"mask should be from 0 to 3, is 9"),
        (edited("size=2\nstride=2", "size=2\nstride=32\npadding=9"), r"padding should be from 0 to 3"),
        (files.net(64) + "[maxpool]\nsize=64\nstride=1\npadding=0\n" * 2, r"a window of 64 does not fit into 3x1x1"),
        (files.net(4096) + files.conv(60_000), r"its output of 60000x4096x4096 numbers is too large"),
        (files.net(64) + "[route]\nlayers=0\n", r"layers names layer 0, but 0 layers come before it"),
        (files.small() + files.conv(8), r"a \[yolo\] can only be followed by a \[route\]"),
    ],
)
def test_errors_name_file_line_and_reason(cfg: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        read_network(cfg.encode(), "some/net.cfg")


def test_comments_and_keys_of_training_are_passed_over() -> None:
    cfg = files.small().replace("channels=3\n", "channels=3\n# a comment\n; another\nlearning_rate=0.001\nsteps=4,5\n")

    assert read_network(cfg.encode(), "net.cfg") == read_network(files.small().encode(), "net.cfg")


def test_too_many_layers_or_bytes_are_refused() -> None:
    with pytest.raises(ModelError, match="1002 layers are too many"):
        read_network((files.net(64) + "[upsample]\nstride=1\n" * 1001).encode(), "net.cfg")
    with pytest.raises(ModelError, match="too many for a cfg"):
        read_network(bytes(2 << 20), "net.cfg")
