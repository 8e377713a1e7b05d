"""What a camera's document must not ask for, beyond types and ranges."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.camera_checks import check_camera, check_ground_plane, crosses_itself, read_usable, usable_part
from contracts.cameras import RULES, Camera, GroundPlane, LineSettings, ZoneSettings
from contracts.errors import ContractError
from contracts.plane_fit import fit_plane
from contracts.rules import TUNABLES

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
TRAPEZOID = ((0.3, 0.4), (0.7, 0.4), (1.0, 1.0), (0.0, 1.0))
HALL = ((0.0, 0.0), (4.0, 0.0), (4.0, 8.0), (0.0, 8.0))
GOOD = Camera(
    "gate-1",
    zones=(ZoneSettings("hall", ((0.1, 0.4), (0.9, 0.4), (0.9, 1.0), (0.1, 1.0))),),
    lines=(LineSettings("door", (0.5, 0.0), (0.5, 1.0)),),
    ground_plane=GroundPlane(TRAPEZOID, HALL),
)


def zone(*polygon: tuple[float, float], name: str = "a", **keys: Any) -> dict[str, Any]:
    return {"zones": (ZoneSettings(name, polygon, **keys),)}


def plane(image: tuple[tuple[float, float], ...], metres: tuple[tuple[float, float], ...] = HALL) -> dict[str, Any]:
    return {"ground_plane": GroundPlane(image, metres)}


def test_a_usual_camera_passes() -> None:
    check_camera(GOOD)
    assert usable_part(GOOD) == (GOOD, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence_threshold": 0.0}, "0.01 or more, is 0"),
        (zone((0, 0), (1, 0), (0, 0), (1, 0)), "3 different points or more, has 2"),
        (zone((0, 0), (0.5, 0.5), (1, 1)), "cover at least"),
        (zone((0, 0), (1, 1), (1, 0), (0, 0.9)), "not cross or touch itself"),
        (zone((0, 0), (1, 0), (1, 1), (0.5, 0)), "not cross or touch itself"),
        (zone((0, 0), (1, 0), (0.5, 0), (1, 1)), "not cross or touch itself"),
        (zone(*SQUARE, name="*"), r"zones\[0\]: the name '\*'"),
        ({"lines": (LineSettings("*", (0, 0), (1, 1)),)}, r"lines\[0\]: the name '\*'"),
        (plane(((0, 0), (0.5, 0.5), (1, 1), (0, 1))), "image: points 1, 2 and 3 lie on one line"),
        (plane(TRAPEZOID, ((0, 0), (4, 0), (8, 0), (0, 8))), "metres: points 1, 2 and 3 lie on one line"),
        (plane(TRAPEZOID, ((0, 0), (4, 0), (4, 0), (0, 8))), "metres: points 2 and 3 should differ"),
        (plane(TRAPEZOID, ((0, 0), (4, 8), (4, 0), (0, 8))), "the points are crossed"),
        (plane(((0, 0), (1, 1), (1, 0), (0, 1))), "the points are crossed"),
        (plane(TRAPEZOID, ((0, 0), (0.05, 0), (0.05, 0.05), (0, 0.05))), "at least 0.01 square metres"),
        (plane(TRAPEZOID, ((0, 0), (4e4, 0), (4e4, 8), (0, 8))), "within -10000 to 10000"),
        (plane((*TRAPEZOID, (0.5, 0.7)), (*HALL, (3.5, 7.5))), r"point \d is .* m from where the other points put it"),
        (plane(tuple((i / 5, i / 5) for i in range(5)), (*HALL, (1.0, 1.0))), "the points are crossed"),
        (zone((0, 0), (1, 0), (1, 1), (0, 1)) | plane(((0.4, 0.4), (0.6, 0.4), (1, 1), (0, 1))), "its horizon crosses"),
    ],
)
def test_what_cannot_act_is_refused_and_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_camera(replace(GOOD, **change))


def test_a_masked_zone_may_reach_the_horizon() -> None:
    sky = ZoneSettings("sky", ((0.0, 0.0), (1.0, 0.0), (1.0, 0.3), (0.0, 0.3)), roles=("ignore",))
    near = GroundPlane(((0.4, 0.4), (0.6, 0.4), (1.0, 1.0), (0.0, 1.0)), HALL)
    check_camera(replace(GOOD, zones=(sky,), ground_plane=near))


def test_either_direction_of_the_metres_is_welcome() -> None:
    check_ground_plane(GroundPlane(TRAPEZOID, HALL))
    check_ground_plane(GroundPlane(TRAPEZOID, tuple((x, -y) for x, y in HALL)))


def test_a_polygon_may_be_closed_by_its_first_point() -> None:
    assert not crosses_itself((*SQUARE, SQUARE[0]))


def test_what_is_usable_of_a_stored_camera_is_kept() -> None:
    bowtie = ZoneSettings("bowtie", ((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.9)))
    flat = GroundPlane(((0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.0, 1.0)), HALL)
    kept, problems = usable_part(replace(GOOD, zones=(*GOOD.zones, bowtie), ground_plane=flat))
    assert kept == replace(GOOD, ground_plane=None)
    assert len(problems) == 2 and "bowtie" in problems[0] and "ground_plane" in problems[1]


def test_a_stored_document_loses_what_is_refused_and_nothing_else() -> None:
    stored = GOOD.to_dict()
    stored |= {"colour": "red", "max_age_ms": "soon", "zones": [{"name": "z"}, *stored["zones"]], "blur_faces": True}
    kept, problems = read_usable(stored)
    assert kept == replace(GOOD, blur_faces=True)
    assert len(problems) == 3


@pytest.mark.parametrize("camera_id", [None, "", 5])
def test_a_document_without_an_id_is_not_a_camera(camera_id: Any) -> None:
    kept, problems = read_usable(GOOD.to_dict() | {"camera_id": camera_id})
    assert kept is None and "camera_id" in problems[0]


@pytest.mark.parametrize(
    ("rules", "wrong"),
    [
        ({"gathering": {"people": 4, "minimum_s": 3}, "density": {"enabled": False}}, None),
        ({"density": {"people": 4}}, "density: people has no effect; known are enabled, schedule"),
        ({"camera_offline": {"people": 4}}, "known are enabled, schedule, minimum_s"),
        ({"capacity": {"minimum_s": 4}}, "capacity: minimum_s"),
    ],
)
def test_a_rule_takes_only_what_its_kind_is_tuned_by(rules: dict[str, Any], wrong: str | None) -> None:
    camera = Camera.from_dict({"camera_id": "gate-1", "rules": rules})
    if wrong is None:
        check_camera(camera)
    else:
        with pytest.raises(ContractError, match=wrong):
            check_camera(camera)
    assert set(TUNABLES) == set(RULES)


corner = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(st.lists(corner, min_size=4, max_size=12), st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))))
def test_any_points_are_judged_without_another_error(image: list[Any], metres: list[Any]) -> None:
    count = min(len(image), len(metres))
    if count < 4:
        return
    try:
        fit = check_ground_plane(GroundPlane(tuple(image[:count]), tuple(metres[:count])))
    except ContractError:
        return
    assert all(math.isfinite(number) for point in image[:count] for number in fit.to_metres(point))


@given(st.floats(0.25, 0.45), st.integers(0, 5))
def test_more_than_four_points_give_back_the_plane_they_were_made_from(narrow: float, more: int) -> None:
    image = ((0.5 - narrow, 0.4), (0.5 + narrow, 0.4), (1.0, 1.0), (0.0, 1.0))
    exact = fit_plane(image, HALL)
    added = [(0.3 + 0.08 * i, 0.5 + 0.09 * i) for i in range(more)]
    fit = check_ground_plane(GroundPlane((*image, *added), (*HALL, *(exact.to_metres(point) for point in added))))
    assert fit.to_metres((0.5, 0.8)) == pytest.approx(exact.to_metres((0.5, 0.8)), abs=1e-3)
