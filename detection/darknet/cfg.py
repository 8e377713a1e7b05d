"""Reads a Darknet .cfg into layers with known shapes. What it does not know it names, with its line, instead of
guessing."""

from pathlib import PurePath

from contracts.errors import ModelError
from detection.darknet.layers import Convolution, Layer, MaxPool, Network, Route, Shape, Shortcut, Upsample, Yolo
from detection.darknet.sections import Section, read_sections

MAX_SIDE = 4096
MAX_FILTERS = 65_536
MAX_LAYERS = 1_000
MAX_ACTIVATION = 1 << 28
"""Numbers in one layer's output for one picture: 1 GiB in float32."""

_ACTIVATIONS = ("leaky", "linear", "relu", "mish", "logistic")
_ANY = frozenset({"stopbackward"})
# Options of training and of Darknet's own drawing; they change nothing in what the network computes.
_NET_KEYS = frozenset(
    "width height channels batch subdivisions momentum decay angle saturation exposure hue learning_rate "
    "burn_in max_batches policy steps scales power gamma step seq_scales step_scale time_steps track "
    "augment_speed mosaic mosaic_bound cutmix mixup blur gaussian_noise flip max_crop min_crop aspect adam B1 "
    "B2 eps optimized_memory workspace_size_limit_MB dynamic_minibatch letter_box ema_alpha label_smooth_eps "
    "resize_step max_chart_loss loss_scale inputs".split()
)
_CONVOLUTION_KEYS = frozenset("batch_normalize filters size stride pad padding groups activation".split())
_MAXPOOL_KEYS = frozenset("size stride padding".split())
_YOLO_KEYS = frozenset(
    "mask anchors classes num jitter ignore_thresh truth_thresh random thresh scale_x_y resize max iou_thresh iou_loss "
    "iou_normalizer cls_normalizer obj_normalizer nms_kind beta_nms max_delta label_smooth_eps focal_loss map "
    "counters_per_class objectness_smooth iou_thresh_kind absolute".split()
)


def read_network(data: bytes, file: str) -> Network:
    """Read a .cfg.

    Args:
        data: its bytes.
        file: its name, for messages.

    Raises:
        ModelError: a layer or key is unknown, a value is out of bounds, shapes do not fit together, or there is no
        [yolo];
            the message names file and line.
    """
    sections = read_sections(data, file)
    if not sections or sections[0].kind not in ("net", "network"):
        raise ModelError(
            f"{PurePath(file).name}: expected [net] first, got {sections[0].kind if sections else 'nothing'}"
        )
    if len(sections) > MAX_LAYERS:
        raise ModelError(f"{PurePath(file).name}: {len(sections)} layers are too many, {MAX_LAYERS} are allowed")
    shape = _read_input(sections[0])
    layers: list[Layer] = []
    for section in sections[1:]:
        if section.kind not in _READERS:
            raise section.error(f"unknown layer; known: {', '.join(sorted(_READERS))}")
        before = layers[-1].shape if layers else shape
        if layers and isinstance(layers[-1], Yolo) and section.kind != "route":
            raise section.error("a [yolo] can only be followed by a [route]")
        layer = _READERS[section.kind](section, before, layers)
        if layer.shape.size > MAX_ACTIVATION:
            raise section.error(f"its output of {layer.shape} numbers is too large")
        layers.append(layer)
    network = Network(PurePath(file).stem, shape.width, shape.height, tuple(layers))
    _check_yolos(network, PurePath(file).name)
    return network


def _read_input(section: Section) -> Shape:
    section.allow(_NET_KEYS)
    section.integer("channels", 3, at_least=3, at_most=3)
    sides = []
    for key in ("height", "width"):
        side = section.integer(key, 416, at_least=32, at_most=MAX_SIDE)
        if side % 32:
            raise section.error(f"{key} should be a multiple of 32, is {side}", key)
        sides.append(side)
    return Shape(3, sides[0], sides[1])


def _read_convolution(section: Section, before: Shape, layers: list[Layer]) -> Layer:
    section.allow(_CONVOLUTION_KEYS | _ANY)
    filters = section.integer("filters", 1, at_least=1, at_most=MAX_FILTERS)
    kernel = section.integer("size", 1, at_least=1, at_most=31)
    stride = section.integer("stride", 1, at_least=1, at_most=32)
    padding = section.integer("padding", 0, at_least=0, at_most=31)
    if section.integer("pad", 0, at_least=0, at_most=1):
        padding = kernel // 2
    groups = section.integer("groups", 1, at_least=1, at_most=MAX_FILTERS)
    if before.channels % groups or filters % groups:
        raise section.error(
            f"groups should divide {before.channels} channels and {filters} filters, is {groups}", "groups"
        )
    return Convolution(
        Shape(filters, *_slide(section, before, kernel, stride, 2 * padding)),
        channels=before.channels,
        kernel=kernel,
        stride=stride,
        padding=padding,
        groups=groups,
        batch_normalize=bool(section.integer("batch_normalize", 0, at_least=0, at_most=1)),
        activation=_read_activation(section, "logistic"),
    )


def _read_maxpool(section: Section, before: Shape, layers: list[Layer]) -> Layer:
    section.allow(_MAXPOOL_KEYS | _ANY)
    stride = section.integer("stride", 1, at_least=1, at_most=32)
    size = section.integer("size", stride, at_least=1, at_most=64)
    padding = section.integer("padding", size - 1, at_least=0, at_most=2 * size - 1)
    shape = Shape(before.channels, *_slide(section, before, size, stride, padding))
    return MaxPool(shape, size, stride, before=padding // 2, after=padding - padding // 2)


def _read_upsample(section: Section, before: Shape, layers: list[Layer]) -> Layer:
    section.allow(frozenset({"stride"}) | _ANY)
    stride = section.integer("stride", 2, at_least=1, at_most=32)
    return Upsample(Shape(before.channels, before.height * stride, before.width * stride), stride)


def _read_route(section: Section, before: Shape, layers: list[Layer]) -> Layer:
    section.allow(frozenset({"layers", "groups", "group_id"}) | _ANY)
    origins = tuple(
        _resolve(section, "layers", index, layers)
        for index in section.integers("layers", at_least=-MAX_LAYERS, at_most=MAX_LAYERS)
    )
    if not origins:
        raise section.error("layers is missing")
    groups = section.integer("groups", 1, at_least=1, at_most=MAX_FILTERS)
    group_id = section.integer("group_id", 0, at_least=0, at_most=groups - 1)
    shapes = [layers[origin].shape for origin in origins]
    for shape in shapes:
        if (shape.height, shape.width) != (shapes[0].height, shapes[0].width):
            raise section.error(f"layers of different sizes: {' and '.join(map(str, shapes))}", "layers")
        if shape.channels % groups:
            raise section.error(f"groups should divide {shape.channels} channels, is {groups}", "groups")
    channels = sum(shape.channels // groups for shape in shapes)
    return Route(Shape(channels, shapes[0].height, shapes[0].width), origins, groups, group_id)


def _read_shortcut(section: Section, before: Shape, layers: list[Layer]) -> Layer:
    section.allow(frozenset({"from", "activation"}) | _ANY)
    origin = _resolve(section, "from", section.integer("from", at_least=-MAX_LAYERS, at_most=MAX_LAYERS), layers)
    if layers[origin].shape != before:
        raise section.error(f"adds layers of different shapes: {before} and {layers[origin].shape}", "from")
    return Shortcut(before, origin, _read_activation(section, "linear"))


def _read_yolo(section: Section, before: Shape, layers: list[Layer]) -> Layer:
    section.allow(_YOLO_KEYS | _ANY)
    numbers = section.numbers("anchors", at_least=1e-3, at_most=1e5)
    known = section.integer("num", 1, at_least=1, at_most=1000)
    if len(numbers) != 2 * known:
        raise section.error(f"expected {known} pairs of anchors (num), got {len(numbers)} numbers", "anchors")
    pairs = tuple(zip(numbers[0::2], numbers[1::2], strict=True))
    mask = section.integers("mask", at_least=0, at_most=known - 1) or tuple(range(known))
    classes = section.integer("classes", 20, at_least=1, at_most=MAX_FILTERS)
    if before.channels != len(mask) * (5 + classes):
        raise section.error(
            f"{len(mask)} anchors with {classes} classes need {len(mask) * (5 + classes)} filters before them, "
            f"got {before.channels}"
        )
    scale_xy = section.number("scale_x_y", 1.0, at_least=1.0, at_most=10.0)
    return Yolo(before, tuple(pairs[index] for index in mask), classes, scale_xy)


_READERS = {
    "convolutional": _read_convolution,
    "maxpool": _read_maxpool,
    "upsample": _read_upsample,
    "route": _read_route,
    "shortcut": _read_shortcut,
    "yolo": _read_yolo,
}


def _read_activation(section: Section, default: str) -> str:
    activation = section.text("activation", default)
    if activation not in _ACTIVATIONS:
        raise section.error(f"unknown activation {activation[:40]!r}; known: {', '.join(_ACTIVATIONS)}", "activation")
    return activation


def _slide(section: Section, before: Shape, size: int, stride: int, padding: int) -> tuple[int, int]:
    sides = tuple((side + padding - size) // stride + 1 for side in (before.height, before.width))
    if min(before.height, before.width) + padding < size:
        raise section.error(f"a window of {size} does not fit into {before} with padding {padding}", "size")
    return sides[0], sides[1]


def _resolve(section: Section, key: str, index: int, layers: list[Layer]) -> int:
    resolved = index if index >= 0 else len(layers) + index
    if not 0 <= resolved < len(layers):
        raise section.error(f"{key} names layer {index}, but {len(layers)} layers come before it", key)
    if isinstance(layers[resolved], Yolo):
        raise section.error(f"{key} names layer {index}, a [yolo], whose boxes no layer can use", key)
    return resolved


def _check_yolos(network: Network, file: str) -> None:
    yolos = [layer for layer in network.layers if isinstance(layer, Yolo)]
    if not yolos:
        raise ModelError(f"{file}: no [yolo] layer, so it finds nothing")
    if len({yolo.classes for yolo in yolos}) > 1:
        raise ModelError(f"{file}: its [yolo] layers differ in classes: {[yolo.classes for yolo in yolos]}")
