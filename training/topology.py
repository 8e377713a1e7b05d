"""Write the .cfg of a YOLOv3 for faces: narrower, shallower, or with finer heads than the published one.

    python -m training.topology > lite.cfg
    python -m training.topology --blocks 0 3 7 5 3 --finest 4 > deeper.cfg

Without options it writes the shipped network. Source of the topology: Redmon & Farhadi, "YOLOv3", 2018; theirs is
`--width 1 --blocks 1 2 8 8 4 --pairs 3 --stem 1`.
"""

import argparse
import sys
from collections.abc import Sequence

_ANCHORS = "6,8, 10,14, 17,23, 27,36, 42,56, 63,84, 95,125, 145,190, 230,290"
_COUNT = 9
_STAGES = (64, 128, 256, 512, 1024)
"""Published filters of the stages, at strides 2 to 32."""

_LAST_STRIDE = 32

_FINE_STRIDE = 4
"""A head at this stride has twice the filters that its place in the row would give it: there would be too few."""


class _Cfg:
    """The sections of a .cfg; layers are counted, since routes name them by number."""

    def __init__(self, side: int, width: float) -> None:
        self._width = width
        self.sections = [f"[net]\nwidth={side}\nheight={side}\nchannels=3\nbatch=1\nsubdivisions=1\n"]

    @property
    def last_layer(self) -> int:
        return len(self.sections) - 2

    def add(self, name: str, *lines: str) -> None:
        self.sections.append("\n".join((f"[{name}]", *lines)) + "\n")

    def convolve(self, filters: int, size: int, stride: int = 1) -> None:
        kept = max(8, int(filters * self._width + 0.5) // 8 * 8)
        shape = (f"filters={kept}", f"size={size}", f"stride={stride}", "pad=1")
        self.add("convolutional", "batch_normalize=1", *shape, "activation=leaky")

    def add_head(self, filters: int, pairs: int, first_anchor: int) -> None:
        for _ in range(pairs):
            self.convolve(filters, 1)
            self.convolve(2 * filters, 3)
        self.add("convolutional", "filters=18", "size=1", "stride=1", "pad=1", "activation=linear")
        mask = ",".join(str(first_anchor + number) for number in range(3))
        self.add("yolo", f"mask={mask}", f"anchors={_ANCHORS}", "classes=1", f"num={_COUNT}", "thresh=0.001")


def write_topology(
    *,
    width: float = 0.25,
    blocks: Sequence[int] = (0, 2, 4, 4, 2),
    pairs: int = 1,
    stem: int = 2,
    finest: int = 8,
    side: int = 512,
) -> str:
    """Return the text of a .cfg with one class and three heads.

    Args:
        width: share of the published filters, in steps of eight.
        blocks: residual blocks of the five stages.
        pairs: convolutions of 1 and 3 in each head.
        stem: stride of the first convolution; with 2 there is no layer at full resolution.
        finest: stride of the finest head, 8 or 4; each other one is twice as coarse.
        side: of the input in pixels.

    Raises:
        ValueError: there is no such finest head.
    """
    if finest not in (4, 8):
        raise ValueError(f"expected a finest head at stride 4 or 8, got {finest}")
    cfg, stride, ends = _Cfg(side, width), 1, dict[int, int]()
    if stem == 1:
        cfg.convolve(32, 3)
    for filters, times in zip(_STAGES, blocks, strict=True):
        cfg.convolve(filters, 3, stride=2)
        stride *= 2
        for _ in range(times):
            cfg.convolve(filters // 2, 1)
            cfg.convolve(filters, 3)
            cfg.add("shortcut", "from=-3", "activation=linear")
        ends[stride] = cfg.last_layer
    anchor, coarsest = _COUNT, 4 * finest
    for filters in reversed(_STAGES):
        if stride < finest:
            break
        half = filters // 2 * (2 if stride == _FINE_STRIDE else 1)
        if stride < _LAST_STRIDE:
            if stride < coarsest:
                cfg.add("route", "layers=-4")
            cfg.convolve(half, 1)
            cfg.add("upsample", "stride=2")
            cfg.add("route", f"layers=-1, {ends[stride]}")
        if stride > coarsest:
            cfg.convolve(half, 1)
        else:
            anchor -= 3
            cfg.add_head(half, pairs, anchor)
        stride //= 2
    return "\n".join(cfg.sections)


def main(arguments: list[str] | None = None) -> int:
    """Write to the standard output; returns the exit code."""
    parser = argparse.ArgumentParser(
        "training.topology", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=float, default=0.25, help="share of the published filters (%(default)s)")
    parser.add_argument("--blocks", type=int, nargs=5, default=(0, 2, 4, 4, 2), help="of the five stages (0 2 4 4 2)")
    parser.add_argument("--pairs", type=int, default=1, help="of convolutions in each head (%(default)s)")
    parser.add_argument("--stem", type=int, choices=(1, 2), default=2, help="stride of the first layer (%(default)s)")
    parser.add_argument("--finest", type=int, choices=(4, 8), default=8, help="stride of the finest head (%(default)s)")
    parser.add_argument("--side", type=int, default=512, help="of the input in pixels (%(default)s)")
    sys.stdout.write(write_topology(**vars(parser.parse_args(arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
