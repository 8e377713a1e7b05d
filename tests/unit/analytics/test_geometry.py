"""Zones and lines."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.geometry import Anchor, Line, Polygon
from contracts.errors import ContractError

SQUARE = Polygon(((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)))
DOOR = Line((0.5, 0.0), (0.5, 1.0))
unit = st.floats(0, 1)
points = st.tuples(unit, unit)


@pytest.mark.parametrize(
    ("point", "inside"),
    [((0.5, 0.5), True), ((0.2, 0.5), True), ((0.8, 0.8), True), ((0.81, 0.5), False), ((0.5, 0.1), False)],
)
def test_a_polygon_holds_what_is_within_and_its_border(point: tuple[float, float], inside: bool) -> None:
    assert SQUARE.contains(point) is inside


def test_a_hollow_polygon_leaves_its_hollow_out() -> None:
    hollow = Polygon(((0, 0), (1, 0), (1, 1), (0.5, 0.2), (0, 1)))
    assert not hollow.contains((0.5, 0.6))
    assert hollow.contains((0.1, 0.5))
    assert hollow.area == pytest.approx(0.6)


@given(points)
def test_the_whole_picture_holds_every_point(point: tuple[float, float]) -> None:
    assert Polygon(((0, 0), (1, 0), (1, 1), (0, 1))).contains(point)


@given(points, st.permutations(range(4)).filter(lambda order: order[0] == 0))
def test_distance_to_a_border_is_zero_only_on_it(point: tuple[float, float], order: list[int]) -> None:
    distance = SQUARE.distance(point)
    x, y = point
    outside = math.hypot(max(0.2 - x, x - 0.8, 0), max(0.2 - y, y - 0.8, 0))
    inside = min(x - 0.2, 0.8 - x, y - 0.2, 0.8 - y)
    assert distance == pytest.approx(inside if SQUARE.contains(point) else outside, abs=1e-9)


def test_a_walk_to_the_left_is_in() -> None:
    assert DOOR.side((0.6, 0.5)) < 0 < DOOR.side((0.4, 0.5))
    assert DOOR.passed_at((0.6, 0.5), (0.2, 0.5)) == pytest.approx(0.25)
    assert DOOR.passed_at((0.2, 0.5), (0.6, 0.5)) == pytest.approx(0.75)


def test_a_way_around_the_end_of_a_line_does_not_pass_it() -> None:
    assert Line((0.5, 0), (0.5, 0.4)).passed_at((0.6, 0.5), (0.4, 0.5)) is None


@given(st.lists(points, min_size=2, max_size=20))
def test_the_balance_of_passages_is_the_change_of_sides(way: list[tuple[float, float]]) -> None:
    balance = 0
    for before, after in itertools.pairwise(way):
        if DOOR.passed_at(before, after) is not None:
            balance += 1 if DOOR.side(after) >= 0 else -1
    assert balance == (DOOR.side(way[-1]) >= 0) - (DOOR.side(way[0]) >= 0)


@pytest.mark.parametrize("corners", [((0, 0), (1, 1)), ((0, 0), (0.5, 0.5), (1, 1)), ((0, 0), (math.nan, 0), (1, 1))])
def test_what_is_no_polygon_is_refused(corners: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ContractError, match="expected"):
        Polygon(corners)


def test_a_line_of_one_point_is_refused() -> None:
    with pytest.raises(ContractError, match="two points"):
        Line((0.5, 0.5), (0.5, 0.5))


def test_the_anchor_stands_in_the_middle_or_below() -> None:
    assert Anchor.CENTER.of(0.5, 0.4, 0.1) == (0.5, 0.4)
    assert Anchor.BOTTOM_CENTER.of(0.5, 0.4, 0.1) == pytest.approx((0.5, 0.45))
