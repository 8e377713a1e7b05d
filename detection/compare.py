"""Several models over the same pictures: faces found, agreement with the first, and time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detection.bars import draw_bars
from detection.loading import load_detector
from detection.pictures import Picture
from detection.results import Detections

_IOU = 0.4


@dataclass(frozen=True)
class Comparison:
    """One model's line: faces in all, agreement (0 to 1) with the first model, median milliseconds a picture."""

    model: str
    faces: int
    agreement: float
    ms: float


def compare(models: Sequence[str], pictures: Sequence[Picture], cache_dir: Path, threads: int) -> list[Comparison]:
    """Run models over pictures.

    Agreement is twice the number of pairs of faces that overlap (IoU of 0.4 at least) over the number of faces of both.
    """
    lines: list[Comparison] = []
    first: list[Detections] | None = None
    for model in models:
        detector = load_detector(model, threads=threads, cache_dir=cache_dir)
        found, times = [], []
        for picture in pictures:
            start = time.perf_counter()
            found += detector.detect([picture])
            times.append(time.perf_counter() - start)
        first = found if first is None else first
        faces = sum(map(len, found))
        pairs = sum(count_pairs(one, other) for one, other in zip(found, first, strict=True))
        both = faces + sum(map(len, first))
        agreement = 2 * pairs / both if both else 1.0
        lines.append(Comparison(model, faces, agreement, 1000 * float(np.median(times)) if times else 0.0))
    return lines


def count_pairs(one: Detections, other: Detections) -> int:
    """Count pairs of boxes that overlap, each box in one pair at most, the surest of `one` first."""
    free = np.ones(len(other), bool)
    pairs = 0
    for box in one.boxes_xyxy:
        overlaps = np.where(free, _iou(box, other.boxes_xyxy), 0)
        if overlaps.size and overlaps.max() >= _IOU:
            free[overlaps.argmax()] = False
            pairs += 1
    return pairs


def draw_comparison(lines: Sequence[Comparison]) -> bytes:
    """Return a PNG with three groups of bars: faces, agreement, milliseconds."""
    return draw_bars(
        {
            "faces found": {line.model: float(line.faces) for line in lines},
            "agreement with the first": {line.model: line.agreement for line in lines},
            "ms a picture": {line.model: line.ms for line in lines},
        }
    )


def _iou(box: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    overlap = np.maximum(sides, 0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - overlap
    quotient: npt.NDArray[np.float32] = overlap / np.maximum(union, 1e-9)
    return quotient
