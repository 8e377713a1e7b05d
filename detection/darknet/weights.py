"""Reads a Darknet .weights file: a header, then float32 numbers in the order of the convolutions.

Header: three int32 (major, minor, revision), then how many pictures were seen, as int64 from version 0.2 on, before
that as int32.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.errors import ModelError
from detection.darknet.layers import Convolution, Network

_EPSILON = np.float32(1e-6)
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Kernel:
    """A convolution with its batch normalisation folded in: `weights` (filters, channels / groups, k, k), `bias`
    (filters,)."""

    weights: Floats
    bias: Floats


def read_kernels(data: bytes, network: Network, file: str) -> dict[int, Kernel]:
    """Read the weights of every convolution and fold its batch normalisation.

    Returns:
        The kernels by index of the layer.

    Raises:
        ModelError: the header is of an unknown version, or the file is too short or too long; the message says by how
        much.
    """
    numbers = _read_numbers(data, network, file)
    kernels: dict[int, Kernel] = {}
    position = 0

    def take(count: int) -> Floats:
        nonlocal position
        position += count
        return numbers[position - count : position]

    for index, layer in enumerate(network.layers):
        if not isinstance(layer, Convolution):
            continue
        filters = layer.shape.channels
        bias = take(filters)
        if layer.batch_normalize:
            scale, mean, variance = take(filters), take(filters), take(filters)
            weights = take(int(np.prod(layer.weight_shape))).reshape(layer.weight_shape)
            with np.errstate(all="ignore"):  # damaged weights give non-numbers, which find nothing
                factor = scale / np.sqrt(np.maximum(variance, np.float32(0)) + _EPSILON)
                kernels[index] = Kernel(weights * factor[:, None, None, None], bias - mean * factor)
        else:
            weights = take(int(np.prod(layer.weight_shape))).reshape(layer.weight_shape)
            kernels[index] = Kernel(weights.copy(), bias.copy())
    return kernels


def weights_version(data: bytes) -> str:
    """Return the name that records carry for these weights: the first 12 hexadecimal digits of their SHA-256."""
    return hashlib.sha256(data).hexdigest()[:12]


def _read_numbers(data: bytes, network: Network, file: str) -> Floats:
    if len(data) < 12:
        raise ModelError(f"{file}: {len(data)} bytes are too few for the header of a weights file")
    major, minor, _ = (int(number) for number in np.frombuffer(data, "<i4", count=3))
    if (major, minor) not in ((0, 1), (0, 2)):
        raise ModelError(f"{file}: expected weights of version 0.1, 0.2 or 0.2.5, got {major}.{minor}")
    start = 16 if minor == 1 else 20
    needed = sum(layer.parameters for layer in network.layers if isinstance(layer, Convolution))
    difference = len(data) - start - 4 * needed
    if difference:
        raise ModelError(
            f"{file}: {abs(difference):,} bytes too {'long' if difference > 0 else 'short'} for {network.name}.cfg, "
            f"which takes {needed:,} weights after the header of {start} bytes ({start + 4 * needed:,} bytes in all), "
            f"got {len(data):,} bytes"
        )
    return np.frombuffer(data, "<f4", offset=start)
