"""Candidates and non-maximum suppression, against the definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.suppress import pick_candidates, suppress

RANDOM = np.random.default_rng(0)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def by_definition(boxes: np.ndarray, confidence: np.ndarray, classes: np.ndarray | None, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-confidence[i], i)):
        same = [other for other in kept if classes is None or classes[other] == classes[index]]
        if all(iou(boxes[other], boxes[index]) <= threshold for other in same):
            kept.append(index)
    return kept


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.45, 1.0]), st.booleans())
def test_keeps_what_the_definition_keeps(count: int, seed: int, threshold: float, per_class: bool) -> None:
    random = np.random.default_rng(seed)
    corners = random.integers(0, 40, (count, 2))
    boxes = np.concatenate([corners, corners + random.integers(1, 30, (count, 2))], axis=1).astype(np.float32)
    confidence = random.integers(1, 8, count).astype(np.float32) / 8  # many ties
    classes = random.integers(0, 2, count) if per_class else None

    kept = suppress(boxes, confidence, classes, threshold)

    assert kept.tolist() == by_definition(boxes, confidence, classes, threshold)


def test_a_covered_box_goes_where_asked() -> None:
    boxes = np.array([[0, 0, 100, 100], [10, 10, 30, 30]], np.float32)
    confidence = np.array([0.9, 0.8], np.float32)

    assert suppress(boxes, confidence, None, 0.4).tolist() == [0, 1]
    assert suppress(boxes, confidence, None, 0.4, covered=0.7).tolist() == [0]


def test_thousands_of_candidates() -> None:
    corners = RANDOM.uniform(0, 1000, (5000, 2))
    boxes = np.concatenate([corners, corners + RANDOM.uniform(5, 80, (5000, 2))], axis=1).astype(np.float32)
    confidence = RANDOM.uniform(0, 1, 5000).astype(np.float32)

    kept = suppress(boxes, confidence, None, 0.4)

    assert (np.diff(confidence[kept]) <= 0).all()
    assert len(set(kept.tolist())) == len(kept) > 100


def test_candidates_have_their_best_class_and_are_finite() -> None:
    boxes = np.array(
        [[0.5, 0.5, np.inf, 0.5], [0.5, 0.5, 0.5, 0.5], [0.2, 0.4, 0.2, 0.2], [0.2, 0.2, 0.2, 0.2]], np.float32
    )
    scores = np.array([[0.9, 0.5, 0.9, np.nan], [0.1, 0.7, 0.2, 0.1]], np.float32)

    boxes_xyxy, confidence, class_id = pick_candidates(boxes, scores, 0.5)

    np.testing.assert_allclose(boxes_xyxy, [[0.4, 0.4, 0.6, 0.6], [0.3, 0.4, 0.7, 0.6]], rtol=1e-5)
    np.testing.assert_allclose(confidence, [0.9, 0.7], rtol=1e-6)
    assert class_id.tolist() == [0, 1]
