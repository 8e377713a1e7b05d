"""Reading a .weights file."""

import numpy as np
import pytest

from contracts.errors import ModelError
from detection.darknet.cfg import read_network
from detection.darknet.weights import read_kernels, weights_version
from tests.unit.detection import darknet_files as files

CFG = files.small()
NETWORK = read_network(CFG.encode(), "net.cfg")


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 2, 0), (0, 2, 5)])
def test_header_versions_give_the_same_kernels(version: tuple[int, int, int]) -> None:
    kernels = read_kernels(files.random_weights(CFG, version=version), NETWORK, "net.weights")
    expected = read_kernels(files.random_weights(CFG), NETWORK, "net.weights")

    assert kernels.keys() == expected.keys()
    for index, kernel in kernels.items():
        np.testing.assert_array_equal(kernel.weights, expected[index].weights)
        np.testing.assert_array_equal(kernel.bias, expected[index].bias)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are too few for the header"),
        (files.random_weights(CFG)[:-4], "net.weights: 4 bytes too short for net.cfg, which takes"),
        (files.random_weights(CFG) + bytes(1234), "net.weights: 1,234 bytes too long for net.cfg"),
        (files.random_weights(CFG)[:15], "bytes too short"),
        (np.array([3, 7, 0, 0, 0], "<i4").tobytes(), r"expected weights of version 0.1, 0.2 or 0.2.5, got 3.7"),
    ],
)
def test_errors_say_by_how_much(data: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        read_kernels(data, NETWORK, "net.weights")


def test_damaged_numbers_are_no_error_of_reading() -> None:
    data = bytearray(files.random_weights(CFG))
    data[20:4000] = b"\xff" * 3980

    kernels = read_kernels(bytes(data), NETWORK, "net.weights")

    assert np.isnan(kernels[0].weights).any()


def test_version_is_the_start_of_the_sum() -> None:
    assert weights_version(b"") == "e3b0c44298fc"
