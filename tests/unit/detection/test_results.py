"""Detections as parallel arrays, and the faces that they become."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.faces import BoundingBox
from detection import Detections


def detections(
    boxes: list[list[float]], width: int = 100, height: int = 50, classes: list[int] | None = None
) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.98765, 0.5, count).astype(np.float32),
        np.array(classes or [0] * count, np.int64),
        width,
        height,
    )


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("boxes_xyxy", np.zeros((2, 4), np.float32), r"boxes_xyxy: expected \(1, 4\) float32, got \(2, 4\) float32"),
        ("boxes_xyxy", np.zeros((1, 4)), r"boxes_xyxy: expected \(1, 4\) float32, got \(1, 4\) float64"),
        ("class_id", np.zeros(1, np.float32), r"class_id: expected \(1,\) int64, got \(1,\) float32"),
        ("width", 0, "at least 1x1, got 0x5"),
    ],
)
def test_says_what_was_expected_and_what_came(name: str, array: object, reason: str) -> None:
    fields = {
        "boxes_xyxy": np.zeros((1, 4), np.float32),
        "confidence": np.zeros(1, np.float32),
        "class_id": np.zeros(1, np.int64),
        "width": 5,
        "height": 5,
        name: array,
    }
    with pytest.raises(ValueError, match=reason):
        Detections(**fields)  # type: ignore[arg-type]


def test_faces_are_numbered_rounded_and_named_only_among_several_classes() -> None:
    found = detections([[1.4, 2.6, 11.4, 22.6], [0, 0, 5, 5]], classes=[1, 0])

    first, second = found.to_faces(("head", "person"))

    assert (first.face_id, first.class_name, first.confidence) == (0, "person", 0.9876)
    assert first.bounding_box == BoundingBox(1, 3, 10, 20)
    assert (second.face_id, second.class_name) == (1, "head")
    assert found.to_faces(("face",))[0].class_name is None


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), max_size=5),
)
def test_boxes_of_faces_lie_in_the_picture(width: int, height: int, corners: list[tuple[float, ...]]) -> None:
    boxes = [[min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height] for a, b, c, d in corners]
    for face in detections(boxes, width, height).to_faces(("face",)):
        box = face.bounding_box
        assert box.x >= 0 and box.y >= 0 and box.width >= 1 and box.height >= 1
        assert box.x + box.width <= width and box.y + box.height <= height


def test_nothing_found() -> None:
    assert len(Detections.empty(4, 3)) == 0
    assert Detections.empty(4, 3).to_faces(("face",)) == ()


def test_classes_are_picked_in_order() -> None:
    boxes = [[0.0, 0.0, float(number), 5.0] for number in range(1, 5)]
    picked = detections(boxes, classes=[2, 0, 1, 2]).of_classes({2, 1})
    assert picked.boxes_xyxy[:, 2].tolist() == [1, 3, 4]
    assert picked.class_id.tolist() == [2, 1, 2]
    assert len(detections(boxes).of_classes({7})) == 0
