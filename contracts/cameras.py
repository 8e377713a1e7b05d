"""The camera's document: where its pictures come from, its zones and lines, its limits, its privacy.

Every key but `camera_id` has a default; a key that is not known is an error that lists the known ones. Lists hold 64
entries at most.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.camera_urls import check_url
from contracts.errors import ContractError

T = TypeVar("T")
Point = tuple[float, float]

ROLES = ("density", "queue", "restricted", "display", "exit")
ANCHORS = ("center", "bottom_center")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_MOST_ZONES = 64


@dataclass(frozen=True)
class CameraSource:
    """Where the capture role reads the camera's pictures, and how many a second."""

    url: str
    fps: float = 5.0
    enabled: bool = True


@dataclass(frozen=True)
class Schedule:
    """Days (`mon-fri`, `sat,sun`) and times of day in the camera's time zone; past midnight when `to` is earlier."""

    days: str = "mon-sun"
    start: str = "00:00"
    end: str = "24:00"

    def weekdays(self) -> frozenset[int]:
        """Return the days as numbers from 0 (Monday)."""
        found: set[int] = set()
        for part in self.days.split(","):
            first, dash, last = part.strip().partition("-")
            begin, stop = DAYS.index(first), DAYS.index(last if dash else first)
            found |= {day % 7 for day in range(begin, stop + 1 if stop >= begin else stop + 8)}
        return frozenset(found)

    def covers(self, weekday: int, minute: int) -> bool:
        """Whether a minute of the day (0 to 1439) on a weekday (0 is Monday) lies within."""
        start, end = _minutes(self.start), _minutes(self.end)
        days = self.weekdays()
        if start < end:
            return weekday in days and start <= minute < end
        return (weekday in days and minute >= start) or ((weekday - 1) % 7 in days and minute < end)


@dataclass(frozen=True)
class ZoneSettings:
    """A named polygon of the picture (0..1) with what it is for."""

    name: str
    polygon: tuple[Point, ...]
    anchor: str = "center"
    area_m2: float | None = None
    limit: int | None = None
    roles: tuple[str, ...] = ("density",)
    schedule: tuple[Schedule, ...] = ()
    minimum_stay_s: float = 2.0


@dataclass(frozen=True)
class LineSettings:
    """A named, directed line of the picture (0..1); with a venue its crossings count into that venue's people."""

    name: str
    start: Point
    end: Point
    anchor: str = "center"
    venue: str | None = None


@dataclass(frozen=True)
class GroundPlane:
    """Four points of the picture (0..1) and where they lie on the ground, in metres."""

    image: tuple[Point, ...]
    metres: tuple[Point, ...]


@dataclass(frozen=True)
class Camera:
    """The whole document. `to_dict` and `from_dict` speak the contract's names."""

    camera_id: str
    name: str = ""
    venue: str | None = None
    source: CameraSource | None = None
    model: str | None = None
    confidence_threshold: float | None = None
    max_age_ms: int | None = None
    zones: tuple[ZoneSettings, ...] = ()
    lines: tuple[LineSettings, ...] = ()
    ground_plane: GroundPlane | None = None
    distance_limit_m: float = 1.5
    retention_days: float = 30.0
    blur_faces: bool = False
    time_zone: str = "UTC"

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON types."""
        return {
            "camera_id": self.camera_id,
            "name": self.name,
            "venue": self.venue,
            "source": None
            if self.source is None
            else {"url": self.source.url, "fps": self.source.fps, "enabled": self.source.enabled},
            "model": self.model,
            "confidence_threshold": self.confidence_threshold,
            "max_age_ms": self.max_age_ms,
            "zones": [_zone_to_dict(zone) for zone in self.zones],
            "lines": [_line_to_dict(line) for line in self.lines],
            "ground_plane": None
            if self.ground_plane is None
            else {"image": _lists(self.ground_plane.image), "metres": _lists(self.ground_plane.metres)},
            "distance_limit_m": self.distance_limit_m,
            "retention_days": int(self.retention_days) if self.retention_days.is_integer() else self.retention_days,
            "blur_faces": self.blur_faces,
            "time_zone": self.time_zone,
        }

    @classmethod
    def from_dict(cls, document: Any) -> "Camera":
        """Build a camera from JSON types.

        Raises:
            ContractError: a key is unknown (the message lists the known ones), absent or wrong.
        """
        reader = _Reader(document, "camera", tuple(field.name for field in fields(cls)))
        zones = reader.each("zones", _zone)
        lines = reader.each("lines", _line)
        for what, named in (("zones", [z.name for z in zones]), ("lines", [line.name for line in lines])):
            if len(set(named)) < len(named):
                raise ContractError(f"camera: {what} should have different names, got {named}")
        return cls(
            camera_id=reader.text("camera_id"),
            name=reader.text("name", ""),
            venue=reader.optional_text("venue"),
            source=reader.optional("source", _source),
            model=reader.optional_text("model"),
            confidence_threshold=reader.optional_number("confidence_threshold", 0, 1),
            max_age_ms=reader.optional_integer("max_age_ms", 1),
            zones=zones,
            lines=lines,
            ground_plane=reader.optional("ground_plane", _ground_plane),
            distance_limit_m=reader.number("distance_limit_m", cls.distance_limit_m, 0.01, 100),
            retention_days=reader.number("retention_days", cls.retention_days, 0.01, 36500),
            blur_faces=reader.flag("blur_faces", cls.blur_faces),
            time_zone=_time_zone(reader.text("time_zone", cls.time_zone)),
        )


def _source(fields: Any) -> CameraSource:
    reader = _Reader(fields, "camera: source", ("url", "fps", "enabled"))
    url = check_url(reader.text("url"))
    return CameraSource(url, reader.number("fps", 5.0, 0.01, 120), reader.flag("enabled", True))


def _zone(fields: Any, what: str) -> ZoneSettings:
    known = ("name", "polygon", "anchor", "area_m2", "limit", "roles", "schedule", "minimum_stay_s")
    reader = _Reader(fields, what, known)
    polygon = reader.points("polygon")
    if not 3 <= len(polygon) <= 100:
        raise ContractError(f"{what}: polygon should have 3 to 100 corners, has {len(polygon)}")
    ends = (*polygon[1:], polygon[0])
    if abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, ends, strict=True))) < 1e-6:
        raise ContractError(f"{what}: polygon should have an area, is {polygon}")
    roles = tuple(reader.each("roles", lambda role, _: _one_of(role, ROLES, f"{what}: roles"), ["density"]))
    return ZoneSettings(
        name=reader.text("name"),
        polygon=polygon,
        anchor=_one_of(reader.text("anchor", "center"), ANCHORS, f"{what}: anchor"),
        area_m2=reader.optional_number("area_m2", 0.01, 1e7),
        limit=reader.optional_integer("limit", 0),
        roles=roles,
        schedule=tuple(reader.each("schedule", _schedule)),
        minimum_stay_s=reader.number("minimum_stay_s", 2.0, 0, 86400),
    )


def _schedule(fields: Any, what: str) -> Schedule:
    reader = _Reader(fields, what, ("days", "from", "to"))
    schedule = Schedule(reader.text("days", "mon-sun"), reader.text("from", "00:00"), reader.text("to", "24:00"))
    for name, time in (("from", schedule.start), ("to", schedule.end)):
        if not _TIME.fullmatch(time):
            raise ContractError(f"{what}: {name} should be a time such as 22:00, is {time!r:.40}")
    try:
        schedule.weekdays()
    except ValueError as error:
        raise ContractError(f"{what}: days should be such as mon-fri or sat,sun, is {schedule.days!r:.40}") from error
    return schedule


def _line(fields: Any, what: str) -> LineSettings:
    reader = _Reader(fields, what, ("name", "from", "to", "anchor", "venue"))
    start, end = (_point(reader.value(name), f"{what}: {name}") for name in ("from", "to"))
    if math.dist(start, end) < 1e-3:
        raise ContractError(f"{what}: from and to should differ, are {start} and {end}")
    anchor = _one_of(reader.text("anchor", "center"), ANCHORS, f"{what}: anchor")
    return LineSettings(reader.text("name"), start, end, anchor, reader.optional_text("venue"))


def _ground_plane(fields: Any) -> GroundPlane:
    reader = _Reader(fields, "camera: ground_plane", ("image", "metres"))
    image, metres = reader.points("image"), reader.points("metres", any_number=True)
    if len(image) != 4 or len(metres) != 4:
        raise ContractError(f"camera: ground_plane should have 4 points each, has {len(image)} and {len(metres)}")
    return GroundPlane(image, metres)


def _zone_to_dict(zone: ZoneSettings) -> dict[str, Any]:
    return {
        "name": zone.name,
        "polygon": _lists(zone.polygon),
        "anchor": zone.anchor,
        "area_m2": zone.area_m2,
        "limit": zone.limit,
        "roles": list(zone.roles),
        "schedule": [{"days": one.days, "from": one.start, "to": one.end} for one in zone.schedule],
        "minimum_stay_s": zone.minimum_stay_s,
    }


def _line_to_dict(line: LineSettings) -> dict[str, Any]:
    ends = {"from": list(line.start), "to": list(line.end)}
    return {"name": line.name, **ends, "anchor": line.anchor, "venue": line.venue}


def _lists(points: tuple[Point, ...]) -> list[list[float]]:
    return [list(point) for point in points]


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return 60 * int(hours) + int(minutes)


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ContractError(f"camera: time_zone should be such as Europe/Berlin, is {name!r:.60}") from error
    return name


def _one_of(value: Any, known: tuple[str, ...], what: str) -> str:
    if value not in known:
        raise ContractError(f"{what} should be one of {', '.join(known)}, is {value!r:.60}")
    return str(value)


def _point(value: Any, what: str, any_number: bool = False) -> Point:
    if not (isinstance(value, list) and len(value) == 2 and all(_is_number(number) for number in value)):
        raise ContractError(f"{what} should be a point [x, y], is {value!r:.60}")
    if not any_number and not all(0 <= number <= 1 for number in value):
        raise ContractError(f"{what} should lie within 0 to 1, is {value!r:.60}")
    return float(value[0]), float(value[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


class _Reader:
    """Reads one object of the document; refuses keys that are not known."""

    def __init__(self, document: Any, what: str, known: tuple[str, ...]) -> None:
        if not isinstance(document, Mapping):
            raise ContractError(f"{what}: expected an object, got {document!r:.60}")
        unknown = sorted(str(key) for key in document if key not in known)
        if unknown:
            raise ContractError(f"{what}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
        self._document = document
        self._what = what

    def value(self, name: str) -> Any:
        return self._document.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._document.get(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()) or len(value) > 2000:
            raise ContractError(f"{self._what}: {name} should be a text, is {_brief(value)}")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._document.get(name) is None else self.text(name)

    def number(self, name: str, default: float | None, least: float, most: float) -> float:
        value = self._document.get(name, default)
        if not _is_number(value) or not least <= value <= most:
            raise ContractError(
                f"{self._what}: {name} should be a number from {least:g} to {most:g}, is {_brief(value)}"
            )
        return float(value)

    def optional_number(self, name: str, least: float, most: float) -> float | None:
        return None if self._document.get(name) is None else self.number(name, None, least, most)

    def optional_integer(self, name: str, least: int) -> int | None:
        value = self._document.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**53:
            raise ContractError(f"{self._what}: {name} should be a whole number from {least}, is {_brief(value)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._document.get(name, default)
        if not isinstance(value, bool):
            raise ContractError(f"{self._what}: {name} should be true or false, is {_brief(value)}")
        return value

    def optional(self, name: str, read: Callable[[Any], T]) -> T | None:
        value = self._document.get(name)
        return None if value is None else read(value)

    def each(self, name: str, read: Callable[[Any, str], T], default: list[Any] | None = None) -> tuple[T, ...]:
        values = self._document.get(name, default or [])
        if not isinstance(values, list) or len(values) > _MOST_ZONES:
            raise ContractError(f"{self._what}: {name} should be a list of up to {_MOST_ZONES}, is {_brief(values)}")
        return tuple(read(value, f"{self._what}: {name}[{number}]") for number, value in enumerate(values))

    def points(self, name: str, any_number: bool = False) -> tuple[Point, ...]:
        return self.each(name, lambda value, what: _point(value, what, any_number))


def _brief(value: Any) -> str:
    return "absent or null" if value is None else f"{value!r:.60}"
