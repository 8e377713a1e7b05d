"""Checks of a camera's document that go beyond types and ranges: shapes that can be measured, names, and the ground.

`check_camera` refuses a document, as the web does. `read_usable` leaves out what a check refuses, as every reader of
documents that are already stored does: a stricter check must never take a camera away from a role.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeVar

import msgspec

from contracts.cameras import Camera, GroundPlane, LineSettings, ZoneSettings
from contracts.errors import ContractError
from contracts.plane_fit import PlaneFit, fit_plane
from contracts.rules import check_rule

T = TypeVar("T")
Point = tuple[float, float]

WHOLE_PICTURE = "*"
"""The zone that the analytics add to every camera. No other zone or line may have this name."""

LEAST_CONFIDENCE = 0.01
"""Below it, a network gives thousands of boxes for a picture."""

MOST_METRES = 10_000.0
_SMALLEST_AREA = 1e-4
_SMALLEST_DISTANCE = 1e-3
_SMALLEST_AREA_M2 = 0.01
_FLATTEST_TRIANGLE = 0.01
"""Height of a triangle as a part of its longest side, below which its corners count as lying on one line."""
_LARGEST_DEPTHS = 1e4
"""How much farther the farthest point may lie than the nearest: beyond it, one lies on the horizon."""
_LARGEST_ERROR = 0.25
"""Of the size of the ground plane: how far a point may lie from where the fitted map takes it."""


def check_camera(camera: Camera) -> None:
    """Check every part of a camera.

    Raises:
        ContractError: a part cannot act as it stands; the message names it and says why.
    """
    if camera.confidence_threshold is not None and camera.confidence_threshold < LEAST_CONFIDENCE:
        raise ContractError(
            f"camera: confidence_threshold should be {LEAST_CONFIDENCE} or more, is {camera.confidence_threshold:g}"
        )
    for index, zone in enumerate(camera.zones):
        check_zone(zone, f"camera: zones[{index}]")
    for index, line in enumerate(camera.lines):
        check_line(line, f"camera: lines[{index}]")
    for name, rule in camera.rules.items():
        check_rule(name, rule, f"camera: rules: {name}")
    if camera.ground_plane is not None:
        fit = check_ground_plane(camera.ground_plane)
        _check_horizon(fit, camera)


def usable_part(camera: Camera) -> tuple[Camera, list[str]]:
    """Return the camera without the parts that a check refuses, and why each was left out."""
    problems: list[str] = []
    zones = _passing(camera.zones, lambda zone: check_zone(zone, f"zone {zone.name!r:.60}"), problems)
    lines = _passing(camera.lines, lambda line: check_line(line, f"line {line.name!r:.60}"), problems)
    planes = () if camera.ground_plane is None else (camera.ground_plane,)
    [plane] = _passing(planes, check_ground_plane, problems) or (None,)
    return msgspec.structs.replace(
        camera, zones=zones, lines=lines, ground_plane=plane
    ) if problems else camera, problems


def read_usable(document: Mapping[str, Any]) -> tuple[Camera | None, list[str]]:
    """Read a camera's document that may be older than the checks, or by another hand.

    Returns:
        The camera without what is refused, or None if not even its id is valid; and why each part was left out.
    """
    try:
        return usable_part(Camera.from_dict(document))
    except ContractError as error:
        whole_problem = str(error)
    kept: dict[str, Any] = {"camera_id": document.get("camera_id")}
    problems: list[str] = []
    for key, value in document.items():
        if key in ("zones", "lines") and isinstance(value, list):
            kept[key] = [one for one in value if _reads({"camera_id": "any", key: [one]}, problems)]
        elif key != "camera_id" and _reads({"camera_id": "any", key: value}, problems):
            kept[key] = value
    try:
        camera, more = usable_part(Camera.from_dict(kept))
    except ContractError:  # its id, or parts that do not go together
        return None, [whole_problem]
    return camera, problems + more


def _reads(document: dict[str, Any], problems: list[str]) -> bool:
    try:
        Camera.from_dict(document)
    except ContractError as error:
        problems.append(str(error))
        return False
    return True


def check_zone(zone: ZoneSettings, what: str) -> None:
    """Check a zone's name and polygon.

    Raises:
        ContractError: the name is the program's own, or the polygon has no area or crosses itself.
    """
    _check_name(zone.name, what)
    corners = zone.polygon
    if len(set(corners)) < 3:
        raise ContractError(f"{what}: polygon should have 3 different points or more, has {len(set(corners))}")
    if _area(corners) < _SMALLEST_AREA:
        raise ContractError(f"{what}: polygon should cover at least {_SMALLEST_AREA:.2%} of the picture")
    if crosses_itself(corners):
        raise ContractError(f"{what}: polygon should not cross or touch itself; check the order of its points")


def check_line(line: LineSettings, what: str) -> None:
    """Check a line's name.

    Raises:
        ContractError: the name is the program's own.
    """
    _check_name(line.name, what)


def check_ground_plane(plane: GroundPlane) -> PlaneFit:
    """Check that the points of a ground plane give a map to metres; return the map.

    Raises:
        ContractError: points coincide or lie on one line, their order is crossed, they do not fit one plane, or
            metres are out of range.
    """
    what = "camera: ground_plane"
    if any(abs(number) > MOST_METRES for point in plane.metres for number in point):
        raise ContractError(f"{what}: metres should lie within {-MOST_METRES:g} to {MOST_METRES:g}")
    for name, points, smallest in (("image", plane.image, _SMALLEST_DISTANCE), ("metres", plane.metres, 0.01)):
        for (i, first), (j, second) in combinations(enumerate(points), 2):
            if math.dist(first, second) < smallest:
                raise ContractError(f"{what}: {name}: points {i + 1} and {j + 1} should differ, are {first}")
        if len(points) == 4:
            for (i, a), (j, b), (k, c) in combinations(enumerate(points), 3):
                if _is_flat(a, b, c):
                    raise ContractError(f"{what}: {name}: points {i + 1}, {j + 1} and {k + 1} lie on one line")
    if len(plane.metres) == 4 and _hull_area(plane.metres) < _SMALLEST_AREA_M2:
        raise ContractError(f"{what}: metres should cover at least {_SMALLEST_AREA_M2:g} square metres")
    crossed = f"{what}: the points are crossed; image and metres should name the same places in the same order"
    try:
        fit = fit_plane(plane.image, plane.metres)
    except ContractError as error:
        raise ContractError(f"{crossed} ({error})") from error
    depths = [fit.depth(point) for point in plane.image]
    if min(depths) <= 0 <= max(depths) or max(map(abs, depths)) > _LARGEST_DEPTHS * min(map(abs, depths)):
        raise ContractError(crossed)
    size = max(math.dist(a, b) for a, b in combinations(plane.metres, 2))
    for index, (image, metres) in enumerate(zip(plane.image, plane.metres, strict=True)):
        error_m = math.dist(fit.to_metres(image), metres)
        if error_m > _LARGEST_ERROR * size:
            raise ContractError(f"{what}: point {index + 1} is {error_m:.3g} m from where the other points put it")
    return fit


def crosses_itself(corners: Sequence[Point]) -> bool:
    """Whether two edges of a polygon cross, or touch away from the corner that they share."""
    edges = list(zip(corners, (*corners[1:], corners[0]), strict=True))
    edges = [edge for edge in edges if edge[0] != edge[1]]
    for (i, first), (j, second) in combinations(enumerate(edges), 2):
        if j == i + 1 or (i == 0 and j == len(edges) - 1):
            before, after = (first, second) if j == i + 1 else (second, first)
            if _goes_back(before[0], before[1], after[1]):
                return True
        elif _touch(*first, *second):
            return True
    return False


def _check_horizon(fit: PlaneFit, camera: Camera) -> None:
    """Check that no zone reaches the horizon, where distances on the ground have no meaning."""
    assert camera.ground_plane is not None
    below = math.copysign(1.0, fit.depth(camera.ground_plane.image[0]))
    for index, zone in enumerate(camera.zones):
        if "ignore" not in zone.roles and any(below * fit.depth(corner) <= 0 for corner in zone.polygon):
            raise ContractError(
                f"camera: ground_plane: its horizon crosses zones[{index}] {zone.name!r:.60}; "
                "move the zone below the horizon, or correct the points"
            )


def _check_name(name: str, what: str) -> None:
    if name == WHOLE_PICTURE:
        raise ContractError(f"{what}: the name {WHOLE_PICTURE!r} stands for the whole picture; choose another one")


def _passing(parts: Iterable[T], check: Callable[[T], object], problems: list[str]) -> tuple[T, ...]:
    passing = []
    for part in parts:
        try:
            check(part)
        except ContractError as error:
            problems.append(str(error))
        else:
            passing.append(part)
    return tuple(passing)


def _area(corners: Sequence[Point]) -> float:
    ends = (*corners[1:], corners[0])
    return abs(math.fsum(_cross((0, 0), a, b) for a, b in zip(corners, ends, strict=True))) / 2


def _hull_area(four: Sequence[Point]) -> float:
    """Return the area of four points in whatever order they come: the largest of the three quadrilaterals."""
    a, b, c, d = four
    return max(_area(corners) for corners in ((a, b, c, d), (a, c, b, d), (a, b, d, c)))


def _cross(origin: Point, a: Point, b: Point) -> float:
    return (a[0] - origin[0]) * (b[1] - origin[1]) - (a[1] - origin[1]) * (b[0] - origin[0])


def _is_flat(a: Point, b: Point, c: Point) -> bool:
    longest = max(math.dist(a, b), math.dist(b, c), math.dist(a, c))
    return abs(_cross(a, b, c)) < _FLATTEST_TRIANGLE * longest**2


def _goes_back(before: Point, corner: Point, after: Point) -> bool:
    """Whether an edge runs back along the one before it."""
    along = (after[0] - corner[0]) * (before[0] - corner[0]) + (after[1] - corner[1]) * (before[1] - corner[1])
    return _cross(corner, before, after) == 0 and along > 0


def _touch(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments a-b and c-d have a point in common."""
    sides = [_cross(a, b, c), _cross(a, b, d), _cross(c, d, a), _cross(c, d, b)]
    if all(sides) and (sides[0] > 0) != (sides[1] > 0) and (sides[2] > 0) != (sides[3] > 0):
        return True
    return any(
        side == 0 and _between(start, end, point)
        for side, start, end, point in (
            (sides[0], a, b, c),
            (sides[1], a, b, d),
            (sides[2], c, d, a),
            (sides[3], c, d, b),
        )
    )


def _between(start: Point, end: Point, point: Point) -> bool:
    return all(min(s, e) <= p <= max(s, e) for s, e, p in zip(start, end, point, strict=True))
