"""The layers of a Darknet YOLOv3, each with the shape of its output."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Shape:
    """Channels, rows and columns of a layer's output for one picture."""

    channels: int
    height: int
    width: int

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.channels * self.height * self.width

    def __str__(self) -> str:
        return f"{self.channels}x{self.height}x{self.width}"


@dataclass(frozen=True)
class Convolution:
    """Convolution, batch normalisation where `batch_normalize`, activation. `weights` is (filters, channels / groups,
    k, k)."""

    shape: Shape
    channels: int
    kernel: int
    stride: int
    padding: int
    groups: int
    batch_normalize: bool
    activation: str

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Filters, channels of one group, rows, columns."""
        return self.shape.channels, self.channels // self.groups, self.kernel, self.kernel

    @property
    def parameters(self) -> int:
        """How many numbers the weights file holds for it."""
        filters, channels, rows, columns = self.weight_shape
        return filters * (4 if self.batch_normalize else 1) + filters * channels * rows * columns

    @property
    def multiply_adds(self) -> int:
        """How many multiplications, each with an addition, it takes for one picture."""
        _, channels, rows, columns = self.weight_shape
        return self.shape.size * channels * rows * columns


@dataclass(frozen=True)
class MaxPool:
    """Largest value of each window; `before` and `after` are rows and columns of padding."""

    shape: Shape
    size: int
    stride: int
    before: int
    after: int


@dataclass(frozen=True)
class Upsample:
    """Each value repeated `stride` times in both directions."""

    shape: Shape
    stride: int


@dataclass(frozen=True)
class Route:
    """Channels of earlier layers, one after the other; of each the part `group_id` of `groups`."""

    shape: Shape
    layers: tuple[int, ...]
    groups: int
    group_id: int


@dataclass(frozen=True)
class Shortcut:
    """Sum of the layer before and the layer `origin`."""

    shape: Shape
    origin: int
    activation: str


@dataclass(frozen=True)
class Yolo:
    """One scale of boxes: anchors (width, height) in pixels of the network's input."""

    shape: Shape
    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_xy: float


Layer: TypeAlias = Convolution | MaxPool | Upsample | Route | Shortcut | Yolo


@dataclass(frozen=True)
class Network:
    """A network as its .cfg describes it: input size in pixels and layers in order."""

    name: str
    width: int
    height: int
    layers: tuple[Layer, ...]

    @property
    def classes(self) -> int:
        """How many classes it tells apart."""
        return next(layer.classes for layer in self.layers if isinstance(layer, Yolo))

    @property
    def multiply_adds(self) -> int:
        """How many multiplications, each with an addition, its convolutions take for one picture."""
        return sum(layer.multiply_adds for layer in self.layers if isinstance(layer, Convolution))
