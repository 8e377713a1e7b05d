"""The graph in int8: quantise and dequantise nodes around every convolution, which runtimes turn into integer
arithmetic.

Weights are symmetric with a scale for each filter, values have one scale for each layer, biases are int32 (Jacob et
al., 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"). The heads
stay in float32: boxes and scores would lose more than the little time that they take.
"""

import numpy as np
import numpy.typing as npt

from detection.calibration import Calibration, Range
from detection.darknet.layers import Convolution, Network, Route, Shortcut, Yolo
from detection.darknet.weights import Kernel
from detection.graph import GraphBuilder


def build_quantised_graph(
    network: Network, kernels: dict[int, Kernel], calibration: Calibration, *, for_fusion: bool
) -> bytes:
    """Return the ONNX file of a network in int8.

    Args:
        network: as its .cfg describes it.
        kernels: the folded weights of every convolution.
        calibration: the ranges of its values.
        for_fusion: whether the runtime fuses a convolution with its activation (OpenVINO; fastest with signed values
        around
            zero) or takes them one by one (ONNX Runtime; it sees an integer convolution only where its sum is
            quantised too, and is fastest with unsigned values).
    """
    return _QuantisedBuilder(network, kernels, calibration, for_fusion).build()


class _QuantisedBuilder(GraphBuilder):
    def __init__(
        self, network: Network, kernels: dict[int, Kernel], calibration: Calibration, for_fusion: bool
    ) -> None:
        super().__init__(network, kernels)
        self._calibration = calibration
        self._for_fusion = for_fusion
        self._ranges: dict[int, Range] = {}
        self._scales: dict[str, np.float32] = {}

    def _enter(self) -> str:
        return self._dequantise("pictures", "input", np.float32(1), np.uint8(0))

    def _enter_convolution(self, index: int, value: str) -> tuple[str, str]:
        if self._is_head(index) or value not in self._scales:
            return super()._enter_convolution(index, value)
        weights, bias = self._kernel(index)
        scales = np.maximum(np.abs(weights).max(axis=(1, 2, 3)), np.float32(1e-12)) / np.float32(127)
        integers = np.clip(np.rint(weights / scales[:, None, None, None]), -127, 127).astype(np.int8)
        bias_scales = scales.astype(np.float64) * self._scales[value]
        whole = np.clip(np.rint(bias / bias_scales), -(2**31) + 1, 2**31 - 1).astype(np.int32)
        return (
            self._dequantised_constant(f"{index}.weights", integers, scales),
            self._dequantised_constant(f"{index}.bias", whole, bias_scales.astype(np.float32)),
        )

    def _leave_sum(self, index: int, value: str) -> str:
        return self._requantise(value, self._calibration.ranges[value]) if not self._for_fusion else value

    def _leave_layer(self, index: int, value: str) -> str:
        layer = self._network.layers[index]
        if self._is_head(index) or value in self._scales:  # a route of one layer passes its value on
            return value
        if isinstance(layer, (Convolution, Shortcut)):
            self._ranges[index] = self._calibration.ranges[value]
            return self._requantise(value, self._ranges[index])
        origins = layer.layers if isinstance(layer, Route) else (index - 1,)
        sources = [self._ranges.get(origin, (0.0, 255.0)) for origin in origins]
        self._ranges[index] = min(low for low, _ in sources), max(high for _, high in sources)
        return self._requantise(value, self._ranges[index])

    def _is_head(self, index: int) -> bool:
        layers = self._network.layers
        return index + 1 < len(layers) and isinstance(layers[index + 1], Yolo)

    def _requantise(self, value: str, limits: Range) -> str:
        scale, zero = self._steps(limits)
        integers = self._node(
            "QuantizeLinear",
            value,
            self._constant(f"{value}.scale", scale),
            self._constant(f"{value}.zero", zero),
            output=f"{value}.integers",
        )
        return self._dequantise(integers, f"{value}.real", scale, zero)

    def _steps(self, limits: Range) -> tuple[np.float32, np.uint8 | np.int8]:
        low, high = min(limits[0], 0.0), max(limits[1], 0.0)
        if self._for_fusion:
            return np.float32(max(-low, high) / 127), np.int8(0)
        scale = (high - low) / 255
        return np.float32(scale), np.uint8(np.clip(np.rint(-low / scale), 0, 255))

    def _dequantise(self, integers: str, output: str, scale: np.float32, zero: np.uint8 | np.int8) -> str:
        self._scales[output] = scale
        return self._node(
            "DequantizeLinear",
            integers,
            self._constant(f"{output}.scale", scale),
            self._constant(f"{output}.zero", zero),
            output=output,
        )

    def _dequantised_constant(
        self, name: str, integers: npt.NDArray[np.int8] | npt.NDArray[np.int32], scales: npt.NDArray[np.float32]
    ) -> str:
        return self._node(
            "DequantizeLinear",
            self._constant(f"{name}.integers", integers),
            self._constant(f"{name}.scale", scales),
            self._constant(f"{name}.zero", np.zeros(len(scales), integers.dtype)),
            output=name,
            axis=0,
        )
