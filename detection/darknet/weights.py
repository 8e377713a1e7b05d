"""Reads and writes a Darknet .weights file: a header, then float32 numbers in the order of the convolutions.

Header: three int32 (major, minor, revision), then how many pictures were seen, as int64 from version 0.2 on, before
that as int32.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.errors import ModelError
from detection.darknet.layers import Convolution, Network

EPSILON = np.float32(1e-6)
"""Added to the variance where it is divided by."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Kernel:
    """A convolution with its batch normalisation folded in: `weights` (filters, channels / groups, k, k), `bias`
    (filters,)."""

    weights: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Parameters:
    """A convolution as its file holds it: `bias` (filters,), `weights` (filters, channels / groups, k, k), and the
    `scale`, `mean` and `variance` (filters,) of its batch normalisation, None without one."""

    bias: Floats
    weights: Floats
    scale: Floats | None = None
    mean: Floats | None = None
    variance: Floats | None = None


def read_parameters(data: bytes, network: Network, file: str) -> dict[int, Parameters]:
    """Read what the file holds for every convolution, by index of the layer; the arrays are views of `data`.

    Raises:
        ModelError: the header is of an unknown version, or the file is too short or too long; the message says by how
        much.
    """
    numbers = _read_numbers(data, network, file)
    position = 0

    def take(count: int) -> Floats:
        nonlocal position
        position += count
        return numbers[position - count : position]

    parameters: dict[int, Parameters] = {}
    for index, layer in enumerate(network.layers):
        if not isinstance(layer, Convolution):
            continue
        filters, size = layer.shape.channels, int(np.prod(layer.weight_shape))
        bias = take(filters)
        if layer.batch_normalize:
            scale, mean, variance = take(filters), take(filters), take(filters)
            parameters[index] = Parameters(bias, take(size).reshape(layer.weight_shape), scale, mean, variance)
        else:
            parameters[index] = Parameters(bias, take(size).reshape(layer.weight_shape))
    return parameters


def write_parameters(parameters: Mapping[int, Parameters], seen: int) -> bytes:
    """Return a .weights file of version 0.2 that holds the convolutions in the order of their layers.

    Args:
        parameters: by index of the layer.
        seen: how many pictures the network was trained on.
    """
    arrays = []
    for _, one in sorted(parameters.items()):
        arrays.append(one.bias)
        if one.scale is not None and one.mean is not None and one.variance is not None:
            arrays += [one.scale, one.mean, one.variance]
        arrays.append(one.weights)
    header = np.array([0, 2, 0], "<i4").tobytes() + np.array([seen], "<i8").tobytes()
    return header + b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)


def read_kernels(data: bytes, network: Network, file: str) -> dict[int, Kernel]:
    """Read the weights of every convolution and fold its batch normalisation.

    Returns:
        The kernels by index of the layer.

    Raises:
        ModelError: as `read_parameters`.
    """
    return {index: fold(one) for index, one in read_parameters(data, network, file).items()}


def fold(one: Parameters) -> Kernel:
    """Fold the batch normalisation of a convolution, where it has one, into its weights and bias."""
    if one.scale is None or one.mean is None or one.variance is None:
        return Kernel(one.weights.copy(), one.bias.copy())
    with np.errstate(all="ignore"):  # damaged weights give non-numbers, which find nothing
        factor = one.scale / np.sqrt(np.maximum(one.variance, np.float32(0)) + EPSILON)
        return Kernel(one.weights * factor[:, None, None, None], one.bias - one.mean * factor)


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
