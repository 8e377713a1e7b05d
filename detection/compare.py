"""Several models over the same pictures: faces found, agreement with the first, and time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from detection.loading import load_detector
from detection.pictures import Picture
from detection.results import Detections

_IOU = 0.4
_ROW_PX, _BAR_PX, _LABEL_PX = 26, 420, 220


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
    groups: list[tuple[str, list[float]]] = [
        ("faces found", [float(line.faces) for line in lines]),
        ("agreement with the first", [line.agreement for line in lines]),
        ("ms a picture", [line.ms for line in lines]),
    ]
    height = len(groups) * (len(lines) + 2) * _ROW_PX
    canvas = np.full((height, _LABEL_PX + _BAR_PX + 100, 3), 255, np.uint8)

    def write(text: str, x: int, y: int) -> None:
        cv2.putText(canvas, text, (x, y + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)

    y = 0
    for title, values in groups:
        write(title, 8, y)
        for line, value in zip(lines, values, strict=True):
            y += _ROW_PX
            write(line.model[:26], 8, y)
            length = round(_BAR_PX * value / max(max(values), 1e-9))
            cv2.rectangle(canvas, (_LABEL_PX, y + 4), (_LABEL_PX + length, y + _ROW_PX - 4), (160, 110, 40), -1)
            write(f"{value:.4g}", _LABEL_PX + length + 6, y)
        y += 2 * _ROW_PX
    return cv2.imencode(".png", canvas)[1].tobytes()


def _iou(box: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    overlap = np.maximum(sides, 0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - overlap
    quotient: npt.NDArray[np.float32] = overlap / np.maximum(union, 1e-9)
    return quotient
