"""The documents of cameras as the HTTP interface describes them; `contracts.cameras` reads and checks them."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.cameras import Anchor, RuleName, ZoneRole
from web.api.records import Record, Time

Share = Annotated[float, Field(ge=0, le=1, description="0 to 1, x to the right, y down.")]
Point = Annotated[list[Share], Field(min_length=2, max_length=2)]
Metres = Annotated[list[float], Field(min_length=2, max_length=2)]


class CameraSource(Record):
    """Where pictures are read. User and password in the address are shown as `***`, and kept when that comes back."""

    url: str
    fps: float = Field(5, ge=0.01, le=120)
    enabled: bool = True
    still_fps: float | None = Field(None, ge=0.01, le=120, description="Pictures a second while nothing moves.")
    transport: Literal["auto", "tcp", "udp"] = "auto"


class ZoneSchedule(Record):
    """Days (`mon-fri`, `sat,sun`) and times of day; past midnight where `to` is earlier."""

    days: str = "mon-sun"
    start: str = Field("00:00", alias="from")
    to: str = "24:00"


class Zone(Record):
    """A named polygon of the picture."""

    name: str
    polygon: list[Point] = Field(min_length=3, max_length=100)
    anchor: Anchor = "center"
    area_m2: float | None = None
    limit: int | None = None
    roles: list[ZoneRole] = Field(["density"])
    schedule: list[ZoneSchedule] = Field([])
    minimum_stay_s: float = 2


class Line(Record):
    """A named, directed line of the picture."""

    name: str
    start: Point = Field(alias="from")
    to: Point
    anchor: Anchor = "center"
    venue: str | None = None


class GroundPlane(Record):
    """Four points of the picture or more, and where they lie on the ground."""

    image: list[Point] = Field(min_length=4, max_length=64)
    metres: list[Metres] = Field(min_length=4, max_length=64)


class Rule(Record):
    """Whether one kind of alert is raised, when, and from which values on; what is left out has its default."""

    enabled: bool = True
    schedule: list[ZoneSchedule] = Field([])
    people: int | None = Field(None, ge=1)
    minimum_s: float | None = Field(None, ge=0)


class CameraDocument(Record):
    """The whole document of a camera. In a `PUT` a key that is left out has its default; `source` then stays."""

    camera_id: str | None = None
    name: str = ""
    venue: str | None = None
    source: CameraSource | None = None
    model: str | None = None
    classes: list[str] | None = Field(None, min_length=1, max_length=64)
    confidence_threshold: float | None = Field(None, ge=0.01, le=1)
    max_age_ms: int | None = Field(None, ge=1)
    zones: list[Zone] = Field([])
    lines: list[Line] = Field([])
    ground_plane: GroundPlane | None = None
    distance_limit_m: float = 1.5
    rules: dict[RuleName, Rule] = Field({})
    retention_days: float = 30
    blur_faces: bool = False
    time_zone: str = "UTC"


class CameraPage(Record):
    """Cameras in the order of their ids."""

    items: list[CameraDocument]
    next: str | None


class CameraStateRecord(Record):
    """How the capture of a camera goes: `unknown` where no process says so."""

    camera_id: str
    state: Literal["starting", "live", "offline", "unknown"]
    since: Time | None
    seen_at: Time | None
    error: str | None
    fps: float


class CameraStateList(Record):
    """Every camera that should be captured."""

    items: list[CameraStateRecord]
    next: str | None
