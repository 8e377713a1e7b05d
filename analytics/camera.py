"""All of one camera's analytics: results in, events out, and everything in between as one checkpoint.

Runs on the time of the pictures alone: the same results give the same events, ids and checkpoints, live or replayed.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from analytics.arrivals import Arrivals
from analytics.geometry import Anchor, Line, Point, Polygon
from analytics.ground import GroundMap
from analytics.lines import LineCounter, NamedLine
from analytics.occupancy import OccupancySecond, OccupancySeries
from analytics.presence import NamedZone, ZonePresence, ZoneVisit
from analytics.tracking import Tracker, TrackerParameters, TrackUpdate, to_find
from analytics.uses.anomalies import Gatherings, UsualCrowd
from analytics.uses.attendance import Attendance, Counted
from analytics.uses.density import Density
from analytics.uses.distancing import Distancing
from analytics.uses.engagement import looked_s
from analytics.uses.evacuation import Evacuation
from analytics.uses.queues import waited_s
from analytics.uses.restricted import Restricted
from contracts.camera_checks import WHOLE_PICTURE, read_usable
from contracts.cameras import RULES, Camera, ZoneSettings
from contracts.errors import ContractError
from contracts.events import Event, EventKind
from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from contracts.rules import rule_of
from contracts.times import from_epoch_ms

VERSION = 4
_PRESENT_FRAMES = 2.5
_DEFAULT_SIZE = (1280, 720)

_WHOLE_PICTURE = ZoneSettings(WHOLE_PICTURE, ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), roles=())

_LEARNED = ("usual", "attendance")
"""Parts whose state does not end with the tracks."""

_LEVELS = ("density", "exit", "gatherings")
"""Parts whose level holds while the camera sends, whatever its clock says."""


class FrameFacts(msgspec.Struct, frozen=True):
    """What one frame added: places (0..1) held for some seconds each, pairs of people, and the change of attendance."""

    at_s: float
    seconds: float
    places: list[Point]
    pairs: int
    attendance: Counted


@dataclass
class CameraUpdate:
    """What a result changed.

    Attributes:
        events: in the order in which they were found.
        occupancy: seconds that are final.
        frames: what the frames that were analysed added.
        turns: how many of `frames` and of `occupancy` came before each time the clock was set back.
    """

    events: list[Event] = field(default_factory=list)
    occupancy: list[OccupancySecond] = field(default_factory=list)
    frames: list[FrameFacts] = field(default_factory=list)
    turns: list[tuple[int, int]] = field(default_factory=list)


class CameraAnalytics:
    """The analytics of one camera, by its settings.

    Results come in any order; they are brought into that of `frame_id` within a window. A single result whose date
    is wrong is analysed under the time at which the log received its frame. A result that is `skipped` or `failed`
    tells nothing about the crowd and only moves the time on. With `whole_picture` a last zone stands for all of it.
    Tracks are numbered from `first_id` on.
    """

    def __init__(
        self,
        camera: Camera,
        parameters: TrackerParameters | None = None,
        *,
        whole_picture: bool = False,
        first_id: int = 1,
    ) -> None:
        self.camera = camera
        self._parameters = parameters or TrackerParameters()
        self._arrivals = Arrivals()
        zones = [zone for zone in camera.zones if "ignore" not in zone.roles and zone.name != WHOLE_PICTURE]
        self._zones = (*zones, _WHOLE_PICTURE) if whole_picture else tuple(zones)
        self._masks = [(Polygon(zone.polygon), Anchor(zone.anchor)) for zone in camera.zones if "ignore" in zone.roles]
        self._next_id = first_id
        self._tracker: Tracker | None = None
        self._at_s: float | None = None  # of the result analysed last
        self._size = _DEFAULT_SIZE
        self._build(_DEFAULT_SIZE)

    def _build(self, size: tuple[int, int]) -> None:
        """Make the parts anew for pictures of a size."""
        camera = self.camera
        self._size = size
        self._lines = LineCounter(
            [NamedLine(one.name, Line(one.start, one.end), Anchor(one.anchor)) for one in camera.lines], size
        )
        zones = [NamedZone(one.name, Polygon(one.polygon), Anchor(one.anchor)) for one in self._zones]
        self._presence = ZonePresence(zones, size)
        self._attendance = Attendance(size)
        rules = {name: rule_of(camera, name) for name in RULES}
        gathering, bottleneck = rules["gathering"], rules["bottleneck"]
        self._gatherings = Gatherings(
            **_given(least=gathering.people, lasting_s=gathering.minimum_s, dispersed_s=rules["dispersal"].minimum_s)
        )
        plane = camera.ground_plane
        ground = None if plane is None else GroundMap(plane.image, plane.metres)
        self._distancing = Distancing(
            camera.distance_limit_m, size, ground, **_given(lasting_s=rules["distance"].minimum_s)
        )
        self._density = _by_role(self._zones, "density", lambda zone: Density(zone.limit, zone.area_m2))
        self._queues = _by_role(self._zones, "queue", lambda zone: zone.minimum_stay_s)
        stay_s = rules["intrusion"].minimum_s
        self._restricted = _by_role(
            self._zones,
            "restricted",
            lambda zone: Restricted(zone.schedule, zone.minimum_stay_s if stay_s is None else stay_s, camera.time_zone),
        )
        self._displays = _by_role(self._zones, "display", lambda zone: zone.minimum_stay_s)
        self._exits = _by_role(
            self._zones,
            "exit",
            lambda _: Evacuation(**_given(least_crowd=bottleneck.people, lasting_s=bottleneck.minimum_s)),
        )
        self._usual = {zone.name: UsualCrowd(camera.time_zone) for zone in self._zones}
        self._occupancy = OccupancySeries([zone.name for zone in self._zones], self._parameters.lost_s + 1.0)

    def update(self, record: FacesRecord) -> CameraUpdate:
        """Take a result; return what it and those that waited for it changed."""
        return self._analyse_all(self._arrivals.push(record))

    def flush(self) -> CameraUpdate:
        """Analyse what waits for its turn: nothing more will come, or not for long.

        A result whose date is in doubt waits for the next one all the same.
        """
        return self._analyse_all(self._arrivals.flush())

    def finish(self) -> CameraUpdate:
        """Analyse all that waits: nothing more will come."""
        return self._analyse_all(self._arrivals.finish())

    def end(self, source: SourceOffset) -> CameraUpdate:
        """End all tracks, visits and levels: no pictures are to come. `source` is the last one's place in the log.

        What was counted and learned stays.
        """
        changed = self.finish()
        if self._tracker is not None:
            self._start_over(self._size, source, changed, _LEARNED)
        return changed

    def _analyse_all(self, records: Iterable[FacesRecord]) -> CameraUpdate:
        changed = CameraUpdate()
        for record in records:
            self._analyse(record, changed)
        return changed

    @property
    def exceptions(self) -> Counter[str]:
        """Results so far that came `late` or were `repeated`, and those `redated`: analysed under another time."""
        return self._arrivals.exceptions

    @property
    def at_s(self) -> float | None:
        """The time of the result analysed last, in seconds since 1970."""
        return self._at_s

    @property
    def next_id(self) -> int:
        """The id that the next track will have."""
        return self._next_id if self._tracker is None else self._tracker.next_id

    @property
    def unique(self) -> int:
        """How many different people were seen since counting began."""
        return self._attendance.unique

    def _analyse(self, record: FacesRecord, changed: CameraUpdate) -> None:
        if record.status is not Status.OK:
            return
        at_s = record.captured_at.timestamp()
        size = self._size if record.image is None else (record.image.width, record.image.height)
        back = self._at_s is not None and at_s < self._at_s - self._parameters.lost_s
        if self._tracker is not None and (size != self._size or back):
            self._start_over(size, record.source, changed, (*_LEARNED, *_LEVELS))
        if back:
            changed.turns.append((len(changed.frames), len(changed.occupancy)))
        if self._tracker is None:
            if size != self._size:
                self._build(size)
            self._tracker = Tracker(size, self._parameters, self._next_id)
        self._at_s = at_s
        finds = []
        for number, face in enumerate(record.faces):
            box = face.bounding_box
            find = to_find(box.x, box.y, box.width, box.height, face.confidence, number)
            if not self._is_masked(find.x, find.y, box.height):
                finds.append(find)
        self._follow(self._tracker.follow(finds, at_s), at_s, record.source, changed)

    def _is_masked(self, x: float, y: float, height: float) -> bool:
        """Whether a box lies in a zone that is to be ignored, by its centre in pixels and its height."""
        for polygon, anchor in self._masks:
            at_x, at_y = anchor.of(x, y, height)
            if polygon.contains((at_x / self._size[0], at_y / self._size[1])):
                return True
        return False

    def _start_over(
        self, size: tuple[int, int], source: SourceOffset, changed: CameraUpdate, lasting: tuple[str, ...]
    ) -> None:
        """End all tracks and visits: the picture's size is another, the clock was set back, or no more is to come.

        The parts named in `lasting` keep what they counted, learned, or held for true.
        """
        assert self._tracker is not None and self._at_s is not None
        self._follow(self._tracker.finish(), self._at_s, source, changed)
        changed.occupancy += self._occupancy.finish(self._at_s, self._learn)
        self._next_id, self._tracker = self._tracker.next_id, None
        kept = {name: part for name, part in self._parts().items() if name.split("/")[0] in lasting}
        self._build(size)
        for name, part in kept.items():
            part.restart()
            self._parts()[name].resume(part.state())

    def _follow(self, found: TrackUpdate, at_s: float, source: SourceOffset, changed: CameraUpdate) -> None:
        def happened(kind: EventKind, event_s: float, **about: Any) -> None:
            changed.events.append(Event(kind, self.camera.camera_id, _to_time(event_s), source, **about))

        for crossing in self._lines.update(found.points, found.ended, found.interval_s):
            happened(
                EventKind.LINE_CROSSED,
                crossing.at_s,
                line=crossing.line,
                track_id=crossing.track_id,
                direction=crossing.direction,
            )
        moved = self._presence.update(found.points, found.ended, found.interval_s)
        for visit in moved.entered:
            happened(EventKind.ZONE_ENTERED, visit.entered_s, zone=visit.zone, track_id=visit.track_id)
            self._occupancy.entered(visit)
        for visit in moved.left:
            self._leave(visit, happened)
        width, height = self._size
        places = [(point.x / width, point.y / height) for point in found.points]
        shown_s = min(found.interval_s, 1.0)
        came = self._attendance.update(found.points, found.ended, found.interval_s)
        distances = self._distancing.update(found.points, at_s)
        changed.frames.append(FrameFacts(at_s, shown_s, places, distances.pairs, came))
        for pair in distances.violations:
            value = {"metres": round(pair.metres, 2), "track_ids": list(pair.track_ids)}
            happened(EventKind.DISTANCE, pair.at_s, track_id=pair.track_ids[0], value=value)
        change = self._gatherings.update(found.points, at_s)
        if change is not None:
            happened(EventKind(change.kind), change.at_s, value={"people": change.people, "gathered": change.most})
        self._judge_zones(at_s, _PRESENT_FRAMES * max(found.interval_s, 0.04), happened)
        changed.occupancy += self._occupancy.advance(at_s, self._learn)

    def _leave(self, visit: ZoneVisit, happened: Callable[..., None]) -> None:
        assert visit.left_s is not None
        about = {"zone": visit.zone, "track_id": visit.track_id}
        dwell_s = round(visit.left_s - visit.entered_s, 3)
        happened(EventKind.ZONE_LEFT, visit.left_s, **about, value={"dwell_s": dwell_s})
        self._occupancy.left(visit)
        queue_s, display_s, way_out = (by.get(visit.zone) for by in (self._queues, self._displays, self._exits))
        if queue_s is not None and (wait_s := waited_s(visit, queue_s)) is not None:
            happened(EventKind.QUEUE_JOINED, visit.entered_s, **about)
            happened(EventKind.QUEUE_LEFT, visit.left_s, **about, value={"wait_s": round(wait_s, 3)})
        if display_s is not None and (look_s := looked_s(visit, display_s)) is not None:
            happened(EventKind.ENGAGED, visit.left_s, **about, value={"seconds": round(look_s, 3)})
        if way_out is not None:
            way_out.passed(visit.left_s)

    def _judge_zones(self, at_s: float, within_s: float, happened: Callable[..., None]) -> None:
        for zone in self._zones:
            name = zone.name
            count = self._presence.present(name, at_s, within_s)
            if name in self._density and (level := self._density[name].update(at_s, count)) is not None:
                value = {"count": level.count, "per_m2": level.per_m2, "level": level.level, "before": level.before}
                happened(EventKind.DENSITY_LEVEL, at_s, zone=name, value=value)
            if name in self._restricted:
                for intrusion in self._restricted[name].update(self._presence.visits(name), at_s):
                    value = {"stayed_s": round(at_s - intrusion.entered_s, 3)}
                    happened(EventKind.INTRUSION, at_s, zone=name, track_id=intrusion.track_id, value=value)
            if name in self._exits and (jam := self._exits[name].update(at_s, count)) is not None:
                clears_in_s = None if jam.clears_in_s is None else round(jam.clears_in_s, 1)
                value = {"per_minute": jam.per_minute, "waiting": jam.waiting, "clears_in_s": clears_in_s}
                happened(EventKind(jam.kind), at_s, zone=name, value=value)

    def _learn(self, zone: str, minute_s: int, mean: float, came: float) -> tuple[float | None, float | None]:
        """Judge a minute by what is usual; returns the mean occupancy that was expected, and the score."""
        unusual = self._usual[zone].judge(minute_s, mean, came)
        return unusual.expected, unusual.score

    def _parts(self) -> dict[str, Any]:
        """All parts with a state of their own, by name."""
        groups: dict[str, dict[str, Any]] = {
            "density": dict(self._density),
            "restricted": dict(self._restricted),
            "exit": dict(self._exits),
            "usual": dict(self._usual),
        }
        parts = {f"{group}/{zone}": part for group, by in groups.items() for zone, part in by.items()}
        return parts | {
            "lines": self._lines,
            "presence": self._presence,
            "attendance": self._attendance,
            "gatherings": self._gatherings,
            "distancing": self._distancing,
            "occupancy": self._occupancy,
        }

    def checkpoint(self) -> bytes:
        """Return the whole state, waiting results included, as compact JSON."""
        state = {
            "version": VERSION,
            "camera": self.camera.to_dict(),
            "size": self._size,
            "next_id": self._next_id,
            "at_s": self._at_s,
            **self._arrivals.state(),
            "tracker": None if self._tracker is None else self._tracker.checkpoint().decode(),
            "parts": {name: part.state() for name, part in self._parts().items()},
        }
        return json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    @classmethod
    def restore(
        cls,
        checkpoint: bytes,
        camera: Camera | None = None,
        parameters: TrackerParameters | None = None,
        *,
        whole_picture: bool = False,
    ) -> "CameraAnalytics":
        """Go on from a checkpoint.

        With other settings of the `camera`, tracks and ids go on, and what depends on zones and lines begins anew where
        it does not fit.

        Raises:
            ContractError: it is no checkpoint of this version.
        """
        try:
            state: dict[str, Any] = json.loads(checkpoint)
        except ValueError as error:
            raise ContractError(f"expected a camera's checkpoint, got {checkpoint[:40]!r}") from error
        if state.get("version") != VERSION:
            raise ContractError(f"expected a checkpoint of version {VERSION}, got {state.get('version')}")
        before, _ = read_usable(state["camera"])
        camera = camera or before
        if camera is None:
            raise ContractError(f"expected a camera's checkpoint, got {state['camera']!r:.60}")
        restored = cls(camera, parameters, whole_picture=whole_picture)
        width, height = state["size"]
        restored._build((width, height))
        restored._next_id, restored._at_s = state["next_id"], state["at_s"]
        restored._arrivals.resume(state)
        if state["tracker"] is not None:
            restored._tracker = Tracker.restore(state["tracker"].encode(), parameters)
        same_zones = before is not None and camera.zones == before.zones
        same = {
            "lines": before is not None and camera.lines == before.lines,
            "presence": same_zones,
            "occupancy": same_zones,
        }
        for name, part in restored._parts().items():
            if name in state["parts"] and same.get(name, True):
                part.resume(state["parts"][name])
        if before is not None and camera.time_zone != before.time_zone and restored._at_s is not None:
            for usual in restored._usual.values():
                usual.move(before.time_zone, restored._at_s)
        return restored


def _given(**values: float | None) -> dict[str, Any]:
    """Return the values that are set."""
    return {name: value for name, value in values.items() if value is not None}


def _by_role(zones: Iterable[ZoneSettings], role: str, make: Callable[[ZoneSettings], Any]) -> dict[str, Any]:
    return {zone.name: make(zone) for zone in zones if role in zone.roles}


def _to_time(at_s: float) -> datetime:
    return from_epoch_ms(math.floor(at_s * 1000 + 0.5))
