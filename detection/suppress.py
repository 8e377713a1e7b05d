"""Candidates of a detector to its finds: threshold and non-maximum suppression, vectorised and in a fixed order."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def pick_candidates(boxes_cxcywh: Floats, scores: Floats, confidence: float) -> tuple[Floats, Floats, Indices]:
    """Pick the boxes whose best class reaches the threshold.

    Args:
        boxes_cxcywh: (4, n) centre x, centre y, width, height.
        scores: (classes, n).
        confidence: least score.

    Returns:
        boxes_xyxy (m, 4), confidence (m,), class_id (m,), in the order they came; boxes that are not finite are left
        out.
    """
    best = scores[0] if len(scores) == 1 else scores.max(axis=0)
    picked = np.flatnonzero(best >= confidence)
    boxes = boxes_cxcywh[:, picked]
    half = boxes[2:] / 2
    boxes_xyxy = np.concatenate([boxes[:2] - half, boxes[:2] + half]).T
    finite = np.isfinite(boxes_xyxy).all(axis=1)
    picked, boxes_xyxy = picked[finite], boxes_xyxy[finite]
    class_id = np.zeros(len(picked), np.int64) if len(scores) == 1 else scores[:, picked].argmax(axis=0)
    return boxes_xyxy, best[picked], class_id


def suppress(
    boxes_xyxy: Floats,
    confidence: Floats,
    class_id: Indices | None,
    iou_threshold: float,
    *,
    covered: float = 1.0,
) -> Indices:
    """Greedy non-maximum suppression: the surest box stays, those that overlap it more than the threshold go, and so
    on.

    Args:
        boxes_xyxy: (n, 4).
        confidence: (n,).
        class_id: (n,) to keep classes from suppressing each other, or None to ignore classes.
        iou_threshold: intersection over union from 0 to 1.
        covered: a box also goes when the surer one covers more than this share of the smaller of the two.

    Returns:
        Indices of the boxes that stay, by falling confidence, ties in the order given.
    """
    order = np.argsort(-confidence, kind="stable")
    boxes = boxes_xyxy[order].astype(np.float64)
    left, top, right, bottom = boxes.T
    areas = (right - left) * (bottom - top)
    classes = None if class_id is None else class_id[order]
    alive = np.arange(len(order))
    kept: list[int] = []
    while alive.size:
        first, rest = alive[0], alive[1:]
        kept.append(int(first))
        overlap_width = np.minimum(right[first], right[rest]) - np.maximum(left[first], left[rest])
        overlap_height = np.minimum(bottom[first], bottom[rest]) - np.maximum(top[first], top[rest])
        overlap = np.maximum(overlap_width, 0) * np.maximum(overlap_height, 0)
        stays = overlap <= iou_threshold * (areas[first] + areas[rest] - overlap)
        if covered < 1:
            stays &= overlap <= covered * np.minimum(areas[first], areas[rest])
        if classes is not None:
            stays |= classes[rest] != classes[first]
        alive = rest[stays]
    return order[np.array(kept, np.int64)]
