"""Ranges of a network's inner values, which int8 needs: measured on pictures, kept in a small JSON file beside the
weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from contracts.errors import ModelError
from detection.darknet.layers import Convolution, Network, Shortcut

Range: TypeAlias = tuple[float, float]

_SAMPLES = 1024
_CLIPS = np.linspace(0.3, 1.0, 36)


@dataclass(frozen=True)
class Calibration:
    """Ranges by name of the value: `N` for the output of layer N, `N.sum` before its activation, for given weights.

    `version` is that of the weights (the first digits of their SHA-256), `pictures` how many it was measured on.
    """

    version: str
    pictures: int
    ranges: dict[str, Range]

    def encode(self) -> bytes:
        """Return the file's content."""
        ranges = {name: [float(f"{edge:.5g}") for edge in edges] for name, edges in self.ranges.items()}
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(edges)}" for name, edges in ranges.items())
        return f'{{"version": "{self.version}", "pictures": {self.pictures}, "ranges": {{\n{lines}\n}}}}\n'.encode()

    @classmethod
    def decode(cls, data: bytes, network: Network, version: str, file: str) -> "Calibration":
        """Read a file for a network and its weights.

        Raises:
            ModelError: it is no such file, is for other weights, or a range is missing or empty.
        """
        try:
            fields = json.loads(data)
            ranges = {str(name): (float(low), float(high)) for name, (low, high) in fields["ranges"].items()}
            calibration = cls(str(fields["version"]), int(fields["pictures"]), ranges)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"{file}: expected a calibration file, got {data[:60]!r} ({error})") from error
        if calibration.version != version:
            raise ModelError(f"{file}: it is for weights {calibration.version}, not for {version}; calibrate anew")
        for name in calibrated_values(network):
            low, high = ranges.get(name, (0.0, 0.0))
            if not -1e30 < low < high < 1e30:
                raise ModelError(f"{file}: no usable range for value {name}")
        return calibration


def calibrated_values(network: Network) -> list[str]:
    """Return the names of the values whose ranges int8 needs."""
    names = []
    for index, layer in enumerate(network.layers):
        if isinstance(layer, (Convolution, Shortcut)):
            names.append(f"{index}.sum")
            if layer.activation != "linear":
                names.append(f"{index}")
    return names


class RangeFinder:
    """Gathers samples of values, picture by picture, and finds the range of each that costs least when cut into 255
    steps."""

    def __init__(self, names: Sequence[str]) -> None:
        self._samples: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in names}
        self._extremes: dict[str, Range] = {}
        self._random = np.random.default_rng(0)

    def add(self, values: dict[str, npt.NDArray[np.float32]]) -> None:
        """Take in the values of one picture."""
        for name, value in values.items():
            flat = value.ravel()
            self._samples[name].append(self._random.choice(flat, min(_SAMPLES, flat.size), replace=False))
            low, high = self._extremes.get(name, (0.0, 0.0))
            self._extremes[name] = (min(low, float(flat.min())), max(high, float(flat.max())))

    def ranges(self) -> dict[str, Range]:
        """Return the ranges: of clipped ones the one with the least mean squared error."""
        return {name: self._best_range(name) for name in self._samples}

    def _best_range(self, name: str) -> Range:
        values = np.concatenate(self._samples[name])
        low, high = self._extremes[name]
        high = max(high, low + 1e-6)
        costs = [self._cost(values, float(low * clip), float(high * clip)) for clip in _CLIPS]
        clip = float(_CLIPS[int(np.argmin(costs))])
        return low * clip, high * clip

    @staticmethod
    def _cost(values: npt.NDArray[np.float32], low: float, high: float) -> float:
        step = (high - low) / 255
        rounded = np.clip(np.rint((values - low) / step), 0, 255) * step + low
        return float(np.square(rounded - values).mean())
