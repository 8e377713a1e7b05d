"""Writes a Darknet network as an ONNX graph from bytes of pixels to boxes and scores.

Input `pictures`: (n, 3, height, width) uint8, in the order blue, green, red. Outputs, both float32: `boxes` (n, 4,
boxes): centre x, centre y, width, height from 0 to 1 of the input; `scores` (n, classes, boxes): objectness x class.
The division by 255 and the order of the colours are folded into the first convolution; the filters of each head are
sorted by attribute instead of anchor, so that decoding needs no transposition. Decoding is that of YOLOv3 (Redmon &
Farhadi, 2018, section 2.1).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from detection.darknet.layers import Convolution, MaxPool, Network, Route, Shortcut, Upsample, Yolo
from detection.darknet.weights import Kernel

_OPSET = 17
_LEAK = 0.1


def build_graph(network: Network, kernels: dict[int, Kernel], *, expose: Sequence[str] = ()) -> bytes:
    """Return the ONNX file of a network in float32, with a batch of any size.

    Args:
        network: as its .cfg describes it.
        kernels: the folded weights of every convolution.
        expose: names of inner values to add to the outputs: `N` for the output of layer N, `N.sum` before its
        activation.
    """
    return GraphBuilder(network, kernels).build(expose)


class GraphBuilder:
    """Writes one graph in float32; `detection.quantise` writes the same in int8 by overriding the four hooks."""

    def __init__(self, network: Network, kernels: dict[int, Kernel]) -> None:
        self._network = network
        self._kernels = kernels
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._outputs: dict[int, str] = {}

    def build(self, expose: Sequence[str] = ()) -> bytes:
        """Return the ONNX file; `expose` names inner values to add to its outputs."""
        network = self._network
        value = self._enter()
        if not isinstance(network.layers[0], Convolution):
            value = self._swap_and_scale(value)
        heads = []
        for index, layer in enumerate(network.layers):
            if isinstance(layer, Yolo):
                heads.append(self._flatten_head(index, layer, value))
                continue
            if isinstance(layer, Convolution):
                value = self._convolution(index, layer, value)
            elif isinstance(layer, MaxPool):
                value = self._max_pool(index, layer, value)
            elif isinstance(layer, Upsample):
                value = self._upsample(index, layer, value)
            elif isinstance(layer, Route):
                value = self._route(index, layer)
            else:
                value = self._shortcut(index, layer, value)
            value = self._leave_layer(index, value)
            self._outputs[index] = value
        self._decode(heads)
        return self._finish(expose)

    def _enter(self) -> str:
        """Hook: return the input as numbers from 0 to 255."""
        return self._node("Cast", "pictures", output="input", to=TensorProto.FLOAT)

    def _enter_convolution(self, index: int, value: str) -> tuple[str, str]:
        """Hook: return the names of weights and bias of the convolution of `value`."""
        weights, bias = self._kernel(index)
        return self._constant(f"{index}.weights", weights), self._constant(f"{index}.bias", bias)

    def _leave_sum(self, index: int, value: str) -> str:
        """Hook: return what a layer's activation takes."""
        return value

    def _leave_layer(self, index: int, value: str) -> str:
        """Hook: return what later layers take of this one."""
        return value

    def _convolution(self, index: int, layer: Convolution, value: str) -> str:
        value = self._node(
            "Conv",
            value,
            *self._enter_convolution(index, value),
            output=f"{index}.sum",
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
            group=layer.groups,
        )
        return self._activate(index, layer.activation, value)

    def _kernel(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        weights, bias = self._kernels[index].weights, self._kernels[index].bias
        if index == 0:
            weights = weights / np.float32(255)
            if weights.shape[1] == 3:
                weights = weights[:, ::-1]
        if self._is_plain_head(index):
            yolo = self._network.layers[index + 1]
            assert isinstance(yolo, Yolo)
            order = np.arange(len(bias)).reshape(len(yolo.anchors), -1).T.ravel()
            weights, bias = weights[order], bias[order]
        return np.ascontiguousarray(weights), np.ascontiguousarray(bias)

    def _is_plain_head(self, index: int) -> bool:
        """Whether layer `index` is a convolution whose output only a [yolo] uses, so that its filters may be sorted
        anew."""
        layers = self._network.layers
        layer = layers[index]
        if not isinstance(layer, Convolution) or layer.groups > 1:
            return False
        if index + 1 == len(layers) or not isinstance(layers[index + 1], Yolo):
            return False
        return not any(
            (isinstance(other, Route) and index in other.layers)
            or (isinstance(other, Shortcut) and other.origin == index)
            for other in layers
        )

    def _swap_and_scale(self, value: str) -> str:
        order = self._constant("colours", np.array([2, 1, 0], np.int64))
        value = self._node("Gather", value, order, output="input.rgb", axis=1)
        return self._node("Mul", value, self._constant("scale", np.float32(1 / 255)), output="input.scaled")

    def _activate(self, index: int, activation: str, value: str) -> str:
        name = f"{index}"
        if activation == "linear":
            return value
        value = self._leave_sum(index, value)
        if activation == "leaky":
            return self._node("LeakyRelu", value, output=name, alpha=_LEAK)
        if activation == "relu":
            return self._node("Relu", value, output=name)
        if activation == "logistic":
            return self._node("Sigmoid", value, output=name)
        soft = self._node("Softplus", value, output=f"{name}.softplus")  # mish
        return self._node("Mul", value, self._node("Tanh", soft, output=f"{name}.tanh"), output=name)

    def _max_pool(self, index: int, layer: MaxPool, value: str) -> str:
        return self._node(
            "MaxPool",
            value,
            output=f"{index}",
            kernel_shape=[layer.size] * 2,
            strides=[layer.stride] * 2,
            pads=[layer.before] * 2 + [layer.after] * 2,
        )

    def _upsample(self, index: int, layer: Upsample, value: str) -> str:
        scales = self._constant(f"{index}.scales", np.array([1, 1, layer.stride, layer.stride], np.float32))
        return self._node(
            "Resize",
            value,
            "",
            scales,
            output=f"{index}",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def _route(self, index: int, layer: Route) -> str:
        parts = []
        for origin in layer.layers:
            part = self._outputs[origin]
            if layer.groups > 1:
                channels = self._network.layers[origin].shape.channels // layer.groups
                bounds = np.array([layer.group_id, layer.group_id + 1], np.int64) * channels
                part = self._node(
                    "Slice",
                    part,
                    self._constant(f"{index}.{origin}.start", bounds[:1]),
                    self._constant(f"{index}.{origin}.stop", bounds[1:]),
                    self._constant(f"{index}.{origin}.axis", np.array([1], np.int64)),
                    output=f"{index}.{origin}.part",
                )
            parts.append(part)
        return parts[0] if len(parts) == 1 else self._node("Concat", *parts, output=f"{index}", axis=1)

    def _shortcut(self, index: int, layer: Shortcut, value: str) -> str:
        total = self._node("Add", value, self._outputs[layer.origin], output=f"{index}.sum")
        return self._activate(index, layer.activation, total)

    def _flatten_head(self, index: int, layer: Yolo, value: str) -> str:
        """Return the head as (n, 5 + classes, anchors x rows x columns)."""
        attributes, cells = 5 + layer.classes, layer.shape.height * layer.shape.width
        if not self._is_plain_head(index - 1):
            apart = self._constant(f"{index}.apart", np.array([0, len(layer.anchors), attributes, cells], np.int64))
            value = self._node("Reshape", value, apart, output=f"{index}.anchors")
            value = self._node("Transpose", value, output=f"{index}.attributes", perm=[0, 2, 1, 3])
        flat = self._constant(f"{index}.flat", np.array([0, attributes, len(layer.anchors) * cells], np.int64))
        return self._node("Reshape", value, flat, output=f"{index}")

    def _decode(self, heads: list[str]) -> None:
        network = self._network
        gains, offsets, anchors = [], [], []
        for layer in network.layers:
            if not isinstance(layer, Yolo):
                continue
            shape, count = layer.shape, len(layer.anchors)
            rows, columns = np.mgrid[: shape.height, : shape.width]
            cells = np.stack([columns.ravel(), rows.ravel()]).astype(np.float64)
            sides = np.array([[shape.width], [shape.height]], np.float64)
            offsets.append(np.tile((cells - (layer.scale_xy - 1) / 2) / sides, count))
            gains.append(np.broadcast_to(layer.scale_xy / sides, offsets[-1].shape))
            relative = np.array(layer.anchors).T / [[network.width], [network.height]]
            anchors.append(np.repeat(relative, shape.height * shape.width, axis=1))

        def constant(name: str, parts: list[npt.NDArray[np.float64]]) -> str:
            return self._constant(name, np.concatenate(parts, axis=1)[None].astype(np.float32))

        raw = heads[0] if len(heads) == 1 else self._node("Concat", *heads, output="raw", axis=2)
        sizes = self._constant("attributes", np.array([2, 2, 1, network.classes], np.int64))
        parts = ["raw.centre", "raw.size", "raw.object", "raw.class"]
        self._nodes.append(helper.make_node("Split", [raw, sizes], parts, name="raw.parts", axis=1))
        centre = self._node("Sigmoid", parts[0], output="centre.sigmoid")
        centre = self._node("Mul", centre, constant("gains", gains), output="centre.scaled")
        centre = self._node("Add", centre, constant("offsets", offsets), output="centre")
        size = self._node(
            "Mul", self._node("Exp", parts[1], output="size.exp"), constant("anchors", anchors), output="size"
        )
        self._node("Concat", centre, size, output="boxes", axis=1)
        self._node(
            "Mul",
            self._node("Sigmoid", parts[2], output="object"),
            self._node("Sigmoid", parts[3], output="class"),
            output="scores",
        )

    def _node(self, kind: str, *inputs: str, output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{output}/{kind}", **attributes))
        return output

    def _constant(self, name: str, value: npt.NDArray[np.generic] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _finish(self, expose: Sequence[str]) -> bytes:
        network = self._network
        count = sum(len(y.anchors) * y.shape.height * y.shape.width for y in network.layers if isinstance(y, Yolo))
        graph = helper.make_graph(
            self._nodes,
            network.name,
            [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", 3, network.height, network.width])],
            [
                helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 4, count]),
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", network.classes, count]),
                *(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in expose),
            ],
            self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8, producer_name="crowdwatch"
        )
        data: bytes = model.SerializeToString()
        return data
