"""Fitting pictures into the input, and boxes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection import Picture
from detection.prepare import Placement, fill_input


def picture(width: int, height: int, reduction: int = 1) -> Picture:
    pixels = np.zeros((-(-height // reduction), -(-width // reduction), 3), np.uint8)
    pixels[:] = (10, 20, 30)
    return Picture(pixels, width, height)


@pytest.mark.parametrize(
    ("size", "fit", "expected"),
    [
        ((832, 416), "letterbox", Placement(0, 104, 416, 208)),
        ((100, 100), "letterbox", Placement(0, 0, 416, 416)),
        ((1, 5000), "letterbox", Placement(207, 0, 1, 416)),
        ((832, 416), "stretch", Placement(0, 0, 416, 416)),
    ],
)
def test_place(size: tuple[int, int], fit: str, expected: Placement) -> None:
    assert Placement.of(picture(*size), (416, 416), fit) == expected  # type: ignore[arg-type]


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.sampled_from(["letterbox", "stretch"]),
    st.tuples(*[st.floats(0, 1)] * 4),
)
def test_boxes_return_to_where_they_were(width: int, height: int, fit: str, edges: tuple[float, ...]) -> None:
    whole = Picture(np.zeros((1, 1, 3), np.uint8), width, height)
    place = Placement.of(whole, (416, 320), fit)  # type: ignore[arg-type]
    a, b, c, d = edges
    box = np.array([[min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height]])
    scale = np.array([place.width / width, place.height / height] * 2)
    on_input = box * scale + [place.left, place.top, place.left, place.top]

    np.testing.assert_allclose(place.to_picture(on_input.astype(np.float32), whole), box, rtol=1e-4, atol=1e-2)


def test_boxes_are_clipped_to_the_picture() -> None:
    whole = picture(832, 416)
    place = Placement.of(whole, (416, 416), "letterbox")

    mapped = place.to_picture(np.array([[-5, 0, 500, 416]], np.float32), whole)

    assert mapped.tolist() == [[0, 0, 832, 416]]


@pytest.mark.parametrize("reduction", [1, 2])
@pytest.mark.parametrize("size", [(64, 32), (31, 64), (300, 200), (1, 1)])
def test_grey_surrounds_the_picture(size: tuple[int, int], reduction: int) -> None:
    whole = picture(*size, reduction)
    place = Placement.of(whole, (64, 64), "letterbox")
    planes = np.empty((3, 64, 64), np.uint8)

    fill_input(planes, whole, place)

    expected = np.full((3, 64, 64), 114, np.uint8)
    inside = (slice(place.top, place.top + place.height), slice(place.left, place.left + place.width))
    for plane, value in zip(expected, (10, 20, 30), strict=True):
        plane[inside] = value
    np.testing.assert_array_equal(planes, expected)
