"""The one scorer: average precision at IoU 0.5 by size of face, precision, recall and count error at a threshold.

Sizes are those of the shorter side of a face when its picture is fitted into 416 pixels, whatever input a detector has,
so that detectors of different inputs are asked for the same faces. Faces of other sizes, and ignored regions, count
neither for nor against.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detection import Detections, Detector, decode_picture
from training.labelled import Boxes, Labelled

IOU = 0.5
SIDE = 416
CANDIDATES = 0.005
"""Confidence from which finds take part in the average precision."""

SIZES = {"all": (8.0, np.inf), "small": (8.0, 20.0), "medium": (20.0, 60.0), "large": (60.0, np.inf)}
"""Least size, and the size that is no longer in it, in pixels of the 416 input."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scored:
    """What was found in one picture, with its labels."""

    found: Detections
    faces: Boxes
    ignored: Boxes


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision over recall by falling confidence: parallel arrays (finds,), and how many faces there were."""

    confidence: Floats
    precision: Floats
    recall: Floats
    faces: int

    @property
    def average_precision(self) -> float:
        """The area under the interpolated curve."""
        highest = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float(np.sum(np.diff(np.concatenate([[0.0], self.recall])) * highest))


@dataclass(frozen=True)
class Operation:
    """What a threshold gives: precision, recall, mean of |faces found - faces there| a picture, and faces a picture."""

    confidence: float
    precision: float
    recall: float
    count_error: float
    faces: float


def find_all(detector: Detector, pictures: Iterable[Labelled], nms: float = 0.5) -> Iterator[Scored]:
    """Run a detector over labelled pictures, one by one, down to the confidence that average precision needs."""
    for labelled in pictures:
        picture = decode_picture(labelled.data, max_pixels=10**8)
        (found,) = detector.detect([picture], confidence=CANDIDATES, nms=nms)
        yield Scored(found, labelled.faces, labelled.ignored)


def precision_recall(pictures: Sequence[Scored], size: str) -> Curve:
    """Return the curve for the faces of one size of `SIZES`."""
    outcomes, faces = [], 0
    for scored in pictures:
        counted = _of_size(scored, size)
        faces += int(counted.sum())
        outcomes += list(_match(scored, counted))
    outcomes.sort(key=lambda outcome: -outcome[0])
    hits = np.array([hit for _, hit in outcomes], bool)
    right = np.cumsum(hits)
    return Curve(
        np.array([confidence for confidence, _ in outcomes]),
        right / np.arange(1, len(hits) + 1),
        right / max(1, faces),
        faces,
    )


def operate(pictures: Sequence[Scored], confidence: float) -> Operation:
    """Return precision, recall and count error at a threshold."""
    errors, right, found, faces = [], 0, 0, 0
    for scored in pictures:
        counted = _of_size(scored, "all")
        outcomes = [hit for score, hit in _match(scored, counted) if score >= confidence]
        errors.append(abs(len(outcomes) - int(counted.sum())))
        right += sum(outcomes)
        found += len(outcomes)
        faces += int(counted.sum())
    return Operation(
        confidence, right / max(1, found), right / max(1, faces), float(np.mean(errors)), faces / len(errors)
    )


def _match(scored: Scored, counted: npt.NDArray[np.bool_]) -> Iterator[tuple[float, bool]]:
    """Give each find, by falling confidence, to the free face that it overlaps most; finds on what does not count drop
    out."""
    overlap = iou(scored.found.boxes_xyxy, scored.faces)
    covered = _covered(scored.found.boxes_xyxy, scored.ignored)
    may_hit = _any_reaches_iou(overlap[:, counted])
    drops_out = _any_reaches_iou(overlap[:, ~counted]) | _any_reaches_iou(covered)
    free = counted.copy()
    for number, score in enumerate(scored.found.confidence.tolist()):
        candidates = np.where(free, overlap[number], 0) if may_hit[number] else np.zeros(1)
        if candidates.max() >= IOU:
            free[candidates.argmax()] = False
            yield score, True
        elif not drops_out[number]:
            yield score, False


def _any_reaches_iou(shares: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray((shares >= IOU).any(axis=1))


def _of_size(scored: Scored, size: str) -> npt.NDArray[np.bool_]:
    scale = SIDE / max(scored.found.width, scored.found.height)
    sides = np.minimum(scored.faces[:, 2] - scored.faces[:, 0], scored.faces[:, 3] - scored.faces[:, 1]) * scale
    least, limit = SIZES[size]
    return np.asarray((sides >= least) & (sides < limit))


def _overlap(boxes: Boxes, others: Boxes) -> Floats:
    sides = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - np.maximum(boxes[:, None, :2], others[None, :, :2])
    area: Floats = np.maximum(sides, 0).prod(axis=2).astype(np.float64)
    return area


def _area(boxes: Boxes) -> Floats:
    area: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).astype(np.float64)
    return area


def iou(boxes: Boxes, others: Boxes) -> Floats:
    """Return the IoU, (n, m), of each of n boxes with each of m others; boxes are left, top, right, bottom."""
    overlap = _overlap(boxes, others)
    shares: Floats = overlap / np.maximum(_area(boxes)[:, None] + _area(others) - overlap, 1e-9)
    return shares


def _covered(boxes: Boxes, regions: Boxes) -> Floats:
    covered: Floats = _overlap(boxes, regions) / np.maximum(_area(boxes), 1e-9)[:, None]
    return covered
