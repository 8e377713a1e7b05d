"""The camera's document: where its pictures come from, its zones and lines, its limits, its privacy.

Every key but `camera_id` has a default; a key that is not known is an error that lists the known ones. Lists hold 64
entries at most.
"""

import math
import re
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from contracts.camera_urls import check_url
from contracts.decoding import decoded
from contracts.errors import ContractError
from contracts.ids import camera_id as checked_camera_id
from contracts.ids import fit_text
from contracts.ids import name as checked_name

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A coordinate of the picture: from 0 to 1, x to the right, y down."""

Metre = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Point = tuple[float, float]
SharePoint = tuple[Share, Share]

ZoneRole = Literal["density", "queue", "restricted", "display", "exit", "ignore"]
Anchor = Literal["center", "bottom_center"]
RuleName = Literal[
    "density",
    "capacity",
    "intrusion",
    "gathering",
    "dispersal",
    "distance",
    "bottleneck",
    "camera_offline",
    "clock_skew",
]
"""Kinds of alerts."""

ROLES: tuple[ZoneRole, ...] = get_args(ZoneRole)
ANCHORS: tuple[Anchor, ...] = get_args(Anchor)
RULES: tuple[RuleName, ...] = get_args(RuleName)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_Few = msgspec.Meta(max_length=64)
_Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_FramesPerSecond = Annotated[float, msgspec.Meta(ge=0.01, le=120)]
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_UNKNOWN_KEY = re.compile(r"^(?:(?P<place>.+): )?object contains unknown field `(?P<key>.*)`$", re.DOTALL)


class CameraSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the capture role reads the camera's pictures, and how many a second.

    Attributes:
        url: with the user and password where the camera asks for them.
        fps: pictures a second.
        enabled: whether the camera is captured.
        still_fps: pictures a second while nothing moves; None for never fewer than `fps`.
        transport: how RTSP carries the video.
    """

    url: Annotated[str, msgspec.Meta(max_length=2000)]
    fps: _FramesPerSecond = 5.0
    enabled: bool = True
    still_fps: _FramesPerSecond | None = None
    transport: Literal["auto", "tcp", "udp"] = "auto"

    def __post_init__(self) -> None:
        check_url(self.url)


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days (`mon-fri`, `sat,sun`) and times of day in the camera's time zone; past midnight when `to` is earlier."""

    days: Annotated[str, msgspec.Meta(max_length=60)] = "mon-sun"
    start: str = msgspec.field(default="00:00", name="from")
    end: str = msgspec.field(default="24:00", name="to")

    def __post_init__(self) -> None:
        for key, time in (("from", self.start), ("to", self.end)):
            if not _TIME.fullmatch(time):
                raise ContractError(f"{key} should be a time such as 22:00, is {time!r:.40}")
        try:
            self.weekdays()
        except ValueError as error:
            raise ContractError(f"days should be such as mon-fri or sat,sun, is {self.days!r:.40}") from error

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


class ZoneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named polygon of the picture (0..1) with what it is for."""

    name: _Label
    polygon: Annotated[tuple[SharePoint, ...], msgspec.Meta(min_length=3, max_length=100)]
    anchor: Anchor = "center"
    area_m2: Annotated[float, msgspec.Meta(ge=0.01, le=1e7)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] | None = None
    roles: Annotated[tuple[ZoneRole, ...], _Few] = ("density",)
    schedule: Annotated[tuple[Schedule, ...], _Few] = ()
    minimum_stay_s: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 2.0

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "name", checked_name(self.name, "name"))


class LineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named, directed line of the picture (0..1); with a venue its crossings count into that venue's people."""

    name: _Label
    start: SharePoint = msgspec.field(name="from")
    end: SharePoint = msgspec.field(name="to")
    anchor: Anchor = "center"
    venue: _Label | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "name", checked_name(self.name, "name"))
        if self.venue is not None:
            msgspec.structs.force_setattr(self, "venue", checked_name(self.venue, "venue"))
        if math.dist(self.start, self.end) < 1e-3:
            raise ContractError(f"from and to should differ, are {self.start} and {self.end}")


class GroundPlane(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Four points of the picture (0..1) or more, and where they lie on the ground, in metres."""

    image: Annotated[tuple[SharePoint, ...], msgspec.Meta(min_length=4, max_length=64)]
    metres: Annotated[tuple[tuple[Metre, Metre], ...], msgspec.Meta(min_length=4, max_length=64)]

    def __post_init__(self) -> None:
        if len(self.image) != len(self.metres):
            raise ContractError(
                f"image and metres should have as many points each, have {len(self.image)} and {len(self.metres)}"
            )


class RuleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether one kind of alert is raised, when, and from which values on.

    Attributes:
        enabled: whether it is raised at all.
        schedule: when it is raised; always where it is empty.
        people: from how many people on; None for the kind's own default.
        minimum_s: after how many seconds; None for the kind's own default.
    """

    enabled: bool = True
    schedule: Annotated[tuple[Schedule, ...], _Few] = ()
    people: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    minimum_s: Annotated[float, msgspec.Meta(ge=0, le=86400)] | None = None


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document. `to_dict` and `from_dict` use the contract's names."""

    camera_id: str
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    venue: _Label | None = None
    source: CameraSource | None = None
    model: _Label | None = None
    classes: Annotated[tuple[_Label, ...], msgspec.Meta(min_length=1, max_length=64)] | None = None
    confidence_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_age_ms: Annotated[int, msgspec.Meta(ge=1, lt=2**53)] | None = None
    zones: Annotated[tuple[ZoneSettings, ...], _Few] = ()
    lines: Annotated[tuple[LineSettings, ...], _Few] = ()
    ground_plane: GroundPlane | None = None
    distance_limit_m: Annotated[float, msgspec.Meta(ge=0.01, le=100)] = 1.5
    rules: dict[RuleName, RuleSettings] = {}
    retention_days: Annotated[float, msgspec.Meta(ge=0.01, le=36500)] = 30.0
    blur_faces: bool = False
    time_zone: Annotated[str, msgspec.Meta(max_length=100)] = "UTC"

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "camera_id", checked_camera_id(self.camera_id))
        msgspec.structs.force_setattr(self, "name", fit_text(self.name, 200))
        if self.venue is not None:
            msgspec.structs.force_setattr(self, "venue", checked_name(self.venue, "venue"))
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ContractError(f"time_zone should be such as Europe/Berlin, is {self.time_zone!r:.60}") from error
        for what, names in (
            ("zones", [zone.name for zone in self.zones]),
            ("lines", [line.name for line in self.lines]),
        ):
            if len(set(names)) < len(names):
                raise ContractError(f"{what} should have different names, have {names!r:.200}")

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON types."""
        document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        if self.retention_days.is_integer():
            document["retention_days"] = int(self.retention_days)
        return document

    @classmethod
    def from_dict(cls, document: Any) -> "Camera":
        """Build a camera from JSON types.

        Raises:
            ContractError: a key is unknown (the message lists the known ones), absent or wrong.
        """
        try:
            return decoded(lambda given: msgspec.convert(given, cls), document, "camera")
        except ContractError as error:
            raise ContractError(_with_known_keys(str(error))) from error


_PARTS: dict[str, type[msgspec.Struct]] = {
    "": Camera,
    "source": CameraSource,
    "zones": ZoneSettings,
    "lines": LineSettings,
    "schedule": Schedule,
    "ground_plane": GroundPlane,
    "rules": RuleSettings,
}


def _with_known_keys(message: str) -> str:
    """Add the known keys to a message that names an unknown one."""
    what, _, rest = message.partition(": ")
    found = _UNKNOWN_KEY.match(rest)
    if found is None:
        return message
    place = found["place"] or ""
    part = _PARTS.get(re.sub(r"\[[^]]*\]$", "", place).rpartition(".")[2])
    if part is None:
        return message
    where = f"{what}: {place}" if place else what
    return f"{where}: unknown key {found['key']}; known are {', '.join(part.__struct_encode_fields__)}"


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return 60 * int(hours) + int(minutes)
