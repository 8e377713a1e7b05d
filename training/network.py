"""A Darknet network that learns: the layers of its .cfg as PyTorch modules, and its .weights in and out."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as functional
from torch import nn

from detection.darknet.layers import Convolution, MaxPool, Network, Route, Shortcut, Upsample, Yolo
from detection.darknet.weights import EPSILON, Parameters, fold, read_parameters, write_parameters

_LEAK = 0.1
_FEW_FACES = 0.01
"""Score that an untrained head starts with: nearly every cell of a picture is background."""


class LearningNetwork(nn.Module):
    """A network as its .cfg describes it, with random weights.

    Its input may have any sides that are multiples of the largest stride, whatever the .cfg says; anchors stay as many
    pixels as they are there.

    Args:
        network: the layers.
        fold: leave batch normalisation out: `load_weights` then folds it into the convolutions. A fifth faster on a CPU
            and steady with few pictures a batch, so for weights that have learned already.
    """

    def __init__(self, network: Network, *, fold: bool = False) -> None:
        super().__init__()
        self.network = network
        self.convolutions = nn.ModuleDict(
            {
                str(index): _convolution(layer, normalise=layer.batch_normalize and not fold)
                for index, layer in enumerate(network.layers)
                if isinstance(layer, Convolution)
            }
        )

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Run pictures (n, 3, height, width), RGB from 0 to 1.

        Returns:
            For each [yolo], in order, its raw input as (n, anchors, rows, columns, 5 + classes).
        """
        value, heads = pictures, []
        outputs: list[torch.Tensor] = []
        for index, layer in enumerate(self.network.layers):
            if isinstance(layer, Yolo):
                n, _, rows, columns = value.shape
                raw = value.reshape(n, len(layer.anchors), 5 + layer.classes, rows, columns)
                heads.append(raw.permute(0, 1, 3, 4, 2))
            else:
                value = self._step(index, layer, value, outputs)
            outputs.append(value)
        return heads

    def _step(
        self,
        index: int,
        layer: Convolution | MaxPool | Upsample | Route | Shortcut,
        value: torch.Tensor,
        outputs: list[torch.Tensor],
    ) -> torch.Tensor:
        if isinstance(layer, Convolution):
            return _activate(layer.activation, self.convolutions[str(index)](value))
        if isinstance(layer, MaxPool):
            padding = (layer.before, layer.after, layer.before, layer.after)
            return functional.max_pool2d(functional.pad(value, padding, value=float("-inf")), layer.size, layer.stride)
        if isinstance(layer, Upsample):
            return functional.interpolate(value, scale_factor=layer.stride, mode="nearest")
        if isinstance(layer, Shortcut):
            return _activate(layer.activation, value + outputs[layer.origin])
        parts = [outputs[origin].chunk(layer.groups, 1)[layer.group_id] for origin in layer.layers]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def load_weights(self, file: Path) -> None:
        """Take over the weights of a Darknet file.

        Raises:
            ModelError: they are not for this network.
        """
        for index, one in read_parameters(file.read_bytes(), self.network, file.name).items():
            _load(self.convolutions[str(index)], one)

    def weights_file(self, seen: int) -> bytes:
        """Return the content of a Darknet .weights file; `seen` is how many pictures it was trained on."""
        parameters = {
            index: _parameters(self.convolutions[str(index)], normalised=layer.batch_normalize)
            for index, layer in enumerate(self.network.layers)
            if isinstance(layer, Convolution)
        }
        return write_parameters(parameters, seen)

    def start_heads(self) -> None:
        """Let every head answer that nearly all is background, which random weights need."""
        for index, layer in enumerate(self.network.layers):
            if isinstance(layer, Yolo):
                head = self.convolutions[str(index - 1)][0]
                nn.init.normal_(head.weight, std=0.01)
                with torch.no_grad():
                    head.bias.view(len(layer.anchors), -1)[:, 4] = math.log(_FEW_FACES / (1 - _FEW_FACES))


def _convolution(layer: Convolution, *, normalise: bool) -> nn.Sequential:
    filters = layer.shape.channels
    convolution = nn.Conv2d(
        layer.channels, filters, layer.kernel, layer.stride, layer.padding, groups=layer.groups, bias=not normalise
    )
    nn.init.kaiming_normal_(convolution.weight, a=_LEAK, mode="fan_out")
    if normalise:
        return nn.Sequential(convolution, nn.BatchNorm2d(filters, eps=float(EPSILON), momentum=0.03))
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(convolution)


def _load(block: nn.Sequential, one: Parameters) -> None:
    with torch.no_grad():
        if len(block) == 1:
            kernel = fold(one)
            block[0].weight.copy_(_tensor(kernel.weights))
            block[0].bias.copy_(_tensor(kernel.bias))
            return
        assert one.scale is not None and one.mean is not None and one.variance is not None
        block[0].weight.copy_(_tensor(one.weights))
        block[1].bias.copy_(_tensor(one.bias))
        block[1].weight.copy_(_tensor(one.scale))
        block[1].running_mean.copy_(_tensor(one.mean))
        block[1].running_var.copy_(_tensor(one.variance))


def _activate(name: str, value: torch.Tensor) -> torch.Tensor:
    if name == "leaky":
        return functional.leaky_relu(value, _LEAK, inplace=True)
    if name == "relu":
        return functional.relu(value, inplace=True)
    if name == "mish":
        return functional.mish(value)
    return torch.sigmoid(value) if name == "logistic" else value


def _parameters(block: nn.Sequential, *, normalised: bool) -> Parameters:
    weights = _array(block[0].weight)
    if len(block) == 2:
        norm = block[1]
        return Parameters(
            _array(norm.bias), weights, _array(norm.weight), _array(norm.running_mean), _array(norm.running_var)
        )
    bias = _array(block[0].bias)
    if not normalised:
        return Parameters(bias, weights)
    ones = np.ones_like(bias)  # the file has a place for a normalisation: one that changes nothing
    return Parameters(bias, weights, ones, np.zeros_like(bias), ones - EPSILON)


def _tensor(array: npt.NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(array.copy())


def _array(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.detach().float().cpu().contiguous().numpy()
    return array
