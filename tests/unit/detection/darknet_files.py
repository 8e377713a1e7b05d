"""Darknet networks for tests: the published topologies at any width, and random weights for any .cfg.

Topologies: Redmon & Farhadi, "YOLOv3: An Incremental Improvement", 2018; SPP and tiny as in the same authors' Darknet.
"""

from pathlib import Path

import numpy as np

from detection.darknet.cfg import read_network
from detection.darknet.layers import Convolution, Shortcut, Yolo
from detection.darknet.weights import Parameters, read_parameters, write_parameters
from detection.manifest import SHIPPED

ANCHORS = "10,13,  16,30,  33,23,  30,61,  62,45,  59,119,  116,90,  156,198,  373,326"
TINY_ANCHORS = "10,14,  23,27,  37,58,  81,82,  135,169,  344,319"


def net(size: int) -> str:
    """`[net]` of a square input."""
    return f"[net]\nwidth={size}\nheight={size}\nchannels=3\n"


def conv(
    filters: int, size: int = 3, stride: int = 1, activation: str = "leaky", normalize: bool = True, **more: int
) -> str:
    """One convolution."""
    lines = ["[convolutional]", "batch_normalize=1"] if normalize else ["[convolutional]"]
    lines += [f"filters={filters}", f"size={size}", f"stride={stride}", "pad=1", f"activation={activation}"]
    return "\n".join(lines + [f"{key}={value}" for key, value in more.items()]) + "\n"


def yolo(mask: str, anchors: str, classes: int, more: str = "") -> str:
    """The convolution of a head and its `[yolo]`; `thresh=0` keeps OpenCV from dropping small scores."""
    count = len(mask.split(","))
    head = conv(count * (5 + classes), 1, activation="linear", normalize=False)
    pairs = len(anchors.split(",")) // 2
    return head + f"[yolo]\nmask={mask}\nanchors={anchors}\nclasses={classes}\nnum={pairs}\nthresh=0\n{more}"


def yolov3(size: int, classes: int = 1, width: float = 1.0, spp: bool = False) -> str:
    """YOLOv3: Darknet-53 and three heads."""

    def f(filters: int) -> int:
        return max(8, int(filters * width))

    layers = [conv(f(32))]
    ends = {}
    for filters, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        layers.append(conv(f(filters), stride=2))
        for _ in range(blocks):
            layers += [conv(f(filters // 2), 1), conv(f(filters)), "[shortcut]\nfrom=-3\nactivation=linear\n"]
        ends[filters] = len(layers) - 1
    for filters, mask, back in ((512, "6,7,8", None), (256, "3,4,5", 512), (128, "0,1,2", 256)):
        if back:
            layers += ["[route]\nlayers=-4\n", conv(f(filters), 1), "[upsample]\nstride=2\n"]
            layers.append(f"[route]\nlayers=-1, {ends[back]}\n")
        layers += [conv(f(filters), 1), conv(f(filters * 2)), conv(f(filters), 1)]
        if spp and not back:
            layers += ["[maxpool]\nstride=1\nsize=5\n", "[route]\nlayers=-2\n", "[maxpool]\nstride=1\nsize=9\n"]
            layers += ["[route]\nlayers=-4\n", "[maxpool]\nstride=1\nsize=13\n", "[route]\nlayers=-1,-3,-5,-6\n"]
            layers.append(conv(f(filters), 1))
        layers += [conv(f(filters * 2)), conv(f(filters), 1), conv(f(filters * 2))]
        head, scale = yolo(mask, ANCHORS, classes).split("[yolo]")
        layers += [head, "[yolo]" + scale]
    return "\n".join([net(size), *layers])


def yolov3_tiny(size: int, classes: int = 1) -> str:
    """YOLOv3-tiny: two heads, and a pool of stride 1 with its padding."""
    layers = []
    for filters in (16, 32, 64, 128, 256, 512):
        layers += [conv(filters), f"[maxpool]\nsize=2\nstride={1 if filters == 512 else 2}\n"]
    layers += [conv(1024), conv(256, 1), conv(512)]
    head, scale = yolo("3,4,5", TINY_ANCHORS, classes).split("[yolo]")
    layers += [head, "[yolo]" + scale, "[route]\nlayers=-4\n", conv(128, 1), "[upsample]\nstride=2\n"]
    layers += ["[route]\nlayers=-1, 8\n", conv(256)]
    head, scale = yolo("0,1,2", TINY_ANCHORS, classes).split("[yolo]")
    return "\n".join([net(size), *layers, head, "[yolo]" + scale])


def small(size: int = 64, classes: int = 1) -> str:
    """A network of a few layers of every kind but groups: two scales, quick to run."""
    parts = [conv(8), conv(16, stride=2), conv(8, 1), conv(16), "[shortcut]\nfrom=-3\nactivation=linear\n"]
    parts += ["[maxpool]\nsize=2\nstride=2\n", conv(32, stride=2), conv(32, stride=2), conv(16, stride=2)]
    parts += [*yolo("2,3", "8,8, 16,16, 30,30, 50,60", classes).partition("[yolo]")]
    parts[-2:] = ["[yolo]" + parts[-1]]
    parts += ["[route]\nlayers=-3\n", "[upsample]\nstride=2\n", "[route]\nlayers=-1, -6\n", conv(16)]
    parts += [yolo("0,1", "8,8, 16,16, 30,30, 50,60", classes)]
    return "\n".join([net(size), *parts])


def random_weights(cfg: str, seed: int = 0, version: tuple[int, int, int] = (0, 2, 0)) -> bytes:
    """Return a weights file for a .cfg: random, scaled so that values neither vanish nor explode."""
    random = np.random.default_rng(seed)
    network = read_network(cfg.encode(), "random.cfg")
    parts = []
    for index, layer in enumerate(network.layers):
        if not isinstance(layer, Convolution):
            continue
        follower = network.layers[index + 1] if index + 1 < len(network.layers) else None
        gain = 0.2 if isinstance(follower, Shortcut) else 0.02 if isinstance(follower, Yolo) else 1.5
        filters, channels, rows, columns = layer.weight_shape
        parts.append(random.normal(0, 0.1, filters))
        if layer.batch_normalize:
            parts += [
                random.uniform(0.5, 1.5, filters),
                random.normal(0, 0.1, filters),
                random.uniform(0.5, 1.5, filters),
            ]
        fan_in = channels * rows * columns
        parts.append(random.normal(0, np.sqrt(gain / fan_in), filters * fan_in))
    header = np.array(version, "<i4").tobytes() + np.zeros(1, "<i4" if version[:2] == (0, 1) else "<i8").tobytes()
    return header + np.concatenate(parts).astype("<f4").tobytes()


def write_two_classes(directory: Path, name: str, class_names: tuple[str, str]) -> Path:
    """Write NAME.cfg, NAME.weights and NAME.names: the shipped model, whose every face is of the second class."""
    cfg = (SHIPPED / "yolov3-face-lite.cfg").read_text()
    network = read_network(cfg.encode(), "shipped.cfg")
    parameters = read_parameters((SHIPPED / "yolov3-face-lite.weights").read_bytes(), network, "shipped.weights")
    for index in [index - 1 for index, layer in enumerate(network.layers) if isinstance(layer, Yolo)]:
        head = parameters[index]
        rows = [row for anchor in range(0, 18, 6) for row in (*range(anchor, anchor + 6), anchor + 5)]
        bias = head.bias[rows]
        bias[5::7] -= 5
        parameters[index] = Parameters(bias, head.weights[rows])
    file = directory / f"{name}.cfg"
    file.write_text(cfg.replace("filters=18\n", "filters=21\n").replace("classes=1\n", "classes=2\n"))
    file.with_suffix(".weights").write_bytes(write_parameters(parameters, 0))
    file.with_suffix(".names").write_text("\n".join(class_names))
    return file


def write_model(directory: Path, cfg: str, name: str = "net", seed: int = 0) -> Path:
    """Write NAME.cfg and NAME.weights; returns the path of the .cfg."""
    file = directory / f"{name}.cfg"
    file.write_text(cfg)
    file.with_suffix(".weights").write_bytes(random_weights(cfg, seed))
    return file
