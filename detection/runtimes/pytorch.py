"""PyTorch: on the CPU, or on a GPU in half precision with large batches."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as functional

from contracts.errors import ConfigurationError
from detection.darknet.layers import Convolution, MaxPool, Network, Route, Shortcut, Upsample, Yolo
from detection.darknet.weights import Kernel
from detection.pictures import Pixels
from detection.runtimes.base import DarknetModel, Floats, Precision

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_GPU_BATCH = 64
_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "leaky": lambda value: functional.leaky_relu(value, 0.1, inplace=True),
    "relu": torch.relu_,
    "mish": functional.mish,
    "logistic": torch.sigmoid_,
    "linear": lambda value: value,
}


class PyTorch:
    """Runs a network layer by layer, channels last; boxes and scores are computed in float32.

    Args:
        network: as its .cfg describes it.
        kernels: the folded weights of every convolution.
        device: `cpu` or `cuda`.
        dtype: of the arithmetic up to the heads.
    """

    def __init__(self, network: Network, kernels: dict[int, Kernel], device: str, dtype: torch.dtype) -> None:
        self.batch = 1 if device == "cpu" else _GPU_BATCH
        self._network = network
        self._device = torch.device(device)
        self._dtype = dtype
        self._kernels = {
            index: (
                self._put(kernel.weights).contiguous(memory_format=torch.channels_last),
                self._put(kernel.bias),
            )
            for index, kernel in kernels.items()
        }
        self._needed = {
            origin
            for layer in network.layers
            for origin in (
                layer.layers if isinstance(layer, Route) else [layer.origin] if isinstance(layer, Shortcut) else []
            )
        }
        self._grids = {
            index: self._grid(layer) for index, layer in enumerate(network.layers) if isinstance(layer, Yolo)
        }

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, classes, boxes)."""
        with torch.inference_mode():
            boxes, scores = self.forward(torch.from_numpy(pictures).to(self._device))
            return boxes.cpu().numpy(), scores.cpu().numpy()

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same with tensors that lie on the device already, and stay there."""
        value = pictures.flip(1).to(self._dtype).div_(255).contiguous(memory_format=torch.channels_last)
        outputs: dict[int, torch.Tensor] = {}
        boxes, scores = [], []
        for index, layer in enumerate(self._network.layers):
            if isinstance(layer, Yolo):
                found = self._decode(layer, self._grids[index], value)
                boxes.append(found[0])
                scores.append(found[1])
                continue
            value = self._step(index, layer, value, outputs)
            if index in self._needed:
                outputs[index] = value
        return torch.cat(boxes, 2), torch.cat(scores, 2)

    def _step(
        self,
        index: int,
        layer: Convolution | MaxPool | Upsample | Route | Shortcut,
        value: torch.Tensor,
        outputs: dict[int, torch.Tensor],
    ) -> torch.Tensor:
        if isinstance(layer, Convolution):
            weights, bias = self._kernels[index]
            value = functional.conv2d(value, weights, bias, layer.stride, layer.padding, groups=layer.groups)
            return _ACTIVATIONS[layer.activation](value)
        if isinstance(layer, MaxPool):
            padding = (layer.before, layer.after, layer.before, layer.after)
            value = functional.pad(value, padding, value=float("-inf"))
            return functional.max_pool2d(value, layer.size, layer.stride)
        if isinstance(layer, Upsample):
            return functional.interpolate(value, scale_factor=layer.stride, mode="nearest")
        if isinstance(layer, Shortcut):
            return _ACTIVATIONS[layer.activation](value + outputs[layer.origin])
        parts = [outputs[origin].chunk(layer.groups, 1)[layer.group_id] for origin in layer.layers]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def _decode(
        self, layer: Yolo, grid: tuple[torch.Tensor, torch.Tensor, torch.Tensor], value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        gain, offset, anchors = grid
        raw = value.float().reshape(len(value), len(layer.anchors), 5 + layer.classes, -1).transpose(1, 2).flatten(2)
        centre = raw[:, :2].sigmoid() * gain + offset
        return torch.cat([centre, raw[:, 2:4].exp() * anchors], 1), raw[:, 4:5].sigmoid() * raw[:, 5:].sigmoid()

    def _grid(self, layer: Yolo) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        height, width = layer.shape.height, layer.shape.width
        rows, columns = np.mgrid[:height, :width].reshape(2, -1)
        sides = np.array([[width], [height]])
        offset = np.tile((np.stack([columns, rows]) - (layer.scale_xy - 1) / 2) / sides, len(layer.anchors))
        anchors = np.array(layer.anchors).T / [[self._network.width], [self._network.height]]
        arrays = (layer.scale_xy / sides, offset, np.repeat(anchors, height * width, axis=1))
        gain, offset_, anchors_ = (torch.from_numpy(a.astype(np.float32)).to(self._device) for a in arrays)
        return gain, offset_, anchors_

    def _put(self, array: Floats) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device, self._dtype)


def open_cpu(model: DarknetModel, precision: Precision, threads: int) -> PyTorch:
    """Open a model in float32 or bfloat16 on the CPU; the number of threads is one setting of the whole process."""
    torch.set_num_threads(threads)
    return PyTorch(model.network, model.kernels, "cpu", _DTYPES[precision])


def open_cuda(model: DarknetModel, precision: Precision, threads: int) -> PyTorch:
    """Open a model in float32 or float16 on CUDA.

    Raises:
        ConfigurationError: PyTorch sees no GPU.
    """
    if not torch.cuda.is_available():
        raise ConfigurationError("runtime torch-cuda: PyTorch sees no CUDA device")
    torch.backends.cudnn.benchmark = True
    return PyTorch(model.network, model.kernels, "cuda", _DTYPES[precision])
