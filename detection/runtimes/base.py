"""What every runtime offers, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from contracts.errors import ConfigurationError
from detection.cache import cached_file
from detection.calibration import Calibration
from detection.darknet.layers import Network
from detection.darknet.weights import Kernel, read_kernels
from detection.pictures import Pixels

Floats: TypeAlias = npt.NDArray[np.float32]
Precision: TypeAlias = Literal["float32", "float16", "bfloat16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""From the most exact to the least."""

GRAPH_VERSION = 2
"""Part of the cache's key: raise it whenever `detection.graph` or `detection.quantise` writes another graph."""


class Runtime(Protocol):
    """Runs one network."""

    batch: int
    """How many pictures to give at once, for the highest rate."""

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, classes, boxes)."""
        ...


@dataclass(frozen=True, eq=False)
class DarknetModel:
    """A network with its weights, and where its converted graphs are kept.

    Attributes:
        network: as its .cfg describes it.
        weights: the content of its .weights.
        weights_file: its name, for messages.
        version: of the weights.
        calibration: the ranges that int8 needs, where they were measured.
        cache_dir: where graphs are kept.
        key: stands for everything above; graphs are named by it.
    """

    network: Network
    weights: bytes
    weights_file: str
    version: str
    calibration: Calibration | None
    cache_dir: Path
    key: str

    @cached_property
    def kernels(self) -> dict[int, Kernel]:
        """The folded weights of every convolution."""
        return read_kernels(self.weights, self.network, self.weights_file)

    def cached(self, ending: str, make: Callable[[], bytes]) -> Path:
        """Return the file of this model that ends so, made the first time."""
        return cached_file(self.cache_dir / f"{self.network.name}-{self.key}{ending}", make)

    def graph_file(self) -> Path:
        """Return the ONNX file in float32."""

        def make() -> bytes:
            from detection.graph import build_graph  # onnx is needed only where the cache is empty

            return build_graph(self.network, self.kernels)

        return self.cached(".onnx", make)

    def quantised_graph_file(self, *, for_fusion: bool) -> Path:
        """Return the ONNX file in int8, in the form that `detection.quantise` explains.

        Raises:
            ConfigurationError: the model has no calibration file.
        """
        calibration = self.calibration
        if calibration is None:
            raise ConfigurationError(
                f"int8 needs {self.network.name}.calibration.json beside the weights; "
                "`crowdwatch models calibrate` makes it"
            )

        def make() -> bytes:
            from detection.quantise import build_quantised_graph  # as above

            return build_quantised_graph(self.network, self.kernels, calibration, for_fusion=for_fusion)

        return self.cached(".int8-fused.onnx" if for_fusion else ".int8.onnx", make)
