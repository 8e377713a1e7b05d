"""What every runtime offers, and what it is given."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from detection.cache import cached_file
from detection.darknet.layers import Network
from detection.darknet.weights import Kernel, read_kernels
from detection.pictures import Pixels

Floats: TypeAlias = npt.NDArray[np.float32]
GRAPH_VERSION = 1
"""Part of the cache's key: raise it whenever `detection.graph` writes another graph."""

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]


class Runtime(Protocol):
    """Runs one network."""

    batch: int
    """How many pictures to give at once, for the highest rate."""

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, classes, boxes)."""
        ...


@dataclass(frozen=True, eq=False)
class DarknetModel:
    """A network with its weights, and where its converted graph is kept."""

    network: Network
    weights: bytes
    weights_file: str
    version: str
    cache_dir: Path
    cache_key: str

    @cached_property
    def kernels(self) -> dict[int, Kernel]:
        """The folded weights of every convolution."""
        return read_kernels(self.weights, self.network, self.weights_file)

    def graph_file(self) -> Path:
        """Return the ONNX file, written the first time."""

        def make() -> bytes:
            from detection.graph import build_graph  # onnx is needed only where the cache is empty

            return build_graph(self.network, self.kernels)

        return cached_file(self.cache_dir / f"{self.network.name}-{self.cache_key}.onnx", make)
