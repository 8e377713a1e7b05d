"""Who is in which zone, since when: visits, the ground on which most uses stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from analytics.geometry import Anchor, Point, Polygon
from analytics.state import Stateful
from analytics.tracking import TrackEnd, TrackPoint

INERTIA_WIDTHS = 0.25
"""How far outside a zone the anchor has to be, in face widths, before the visit is over."""


@dataclass(frozen=True)
class NamedZone:
    """A zone of the camera's settings."""

    name: str
    polygon: Polygon
    anchor: Anchor = Anchor.CENTER


class ZoneVisit(msgspec.Struct, frozen=True, gc=False):
    """A track was in a zone from one time to another (seconds since 1970).

    While it is, `left_s` is None and `seen_s` is when it was found there last.
    """

    zone: str
    track_id: int
    entered_s: float
    left_s: float | None = None
    seen_s: float | None = None


class PresenceUpdate(msgspec.Struct, frozen=True):
    """What a frame changed: visits that began, and visits that are over."""

    entered: Sequence[ZoneVisit]
    left: Sequence[ZoneVisit]


class ZonePresence(Stateful):
    """Follows the tracks of one camera through its zones.

    A border is passed in the middle between two frames. A track that begins or ends within a zone was there for half a
    frame more on either side, on average.
    """

    STATE = ("_last", "_since")

    def __init__(self, zones: Sequence[NamedZone], image_size: tuple[int, int]) -> None:
        self._zones = tuple(zones)
        self._shapes = [
            (zone.name, zone.polygon, zone.polygon.bounds, zone.anchor is Anchor.BOTTOM_CENTER) for zone in zones
        ]
        self._width, self._height = image_size
        self._last: dict[str, float] = {}  # of each track the time of its last point
        # of each zone and track: entered, last point within
        self._since: dict[str, dict[str, list[float]]] = {zone.name: {} for zone in zones}

    def update(self, points: Iterable[TrackPoint], ended: Iterable[TrackEnd], interval_s: float) -> PresenceUpdate:
        """Take what a tracker reported of one frame; `interval_s` is the time between two frames, in seconds."""
        entered: list[ZoneVisit] = []
        left: list[ZoneVisit] = []
        for point in points:
            key = str(point.track_id)
            self._place(key, point, self._last.get(key, point.at_s - interval_s), entered, left)
            self._last[key] = point.at_s
        for end in ended:
            key = str(end.track_id)
            self._last.pop(key, None)
            for zone in self._zones:
                visit = self._since[zone.name].pop(key, None)
                if visit is not None:
                    left.append(ZoneVisit(zone.name, end.track_id, visit[0], visit[1] + interval_s / 2))
        return PresenceUpdate(entered, left)

    def _place(
        self, key: str, point: TrackPoint, before_s: float, entered: list[ZoneVisit], left: list[ZoneVisit]
    ) -> None:
        """Place a track in all zones; `before_s` is when it was found before."""
        at_s = point.at_s
        center = (point.x / self._width, point.y / self._height)
        bottom = (center[0], center[1] + point.height / self._height / 2)
        for name, polygon, (west, north, east, south), by_bottom in self._shapes:
            visits = self._since[name]
            visit = visits.get(key)
            place = bottom if by_bottom else center
            if west <= place[0] <= east and north <= place[1] <= south and polygon.contains(place):
                if visit is None:
                    visits[key] = [(before_s + at_s) / 2, at_s]
                    entered.append(ZoneVisit(name, point.track_id, visits[key][0]))
                else:
                    visit[1] = at_s
            elif visit is not None and self._is_out(polygon, place, point.width):
                left.append(ZoneVisit(name, point.track_id, visit[0], (visit[1] + at_s) / 2))
                del visits[key]

    def _is_out(self, polygon: Polygon, place: Point, width: float) -> bool:
        return polygon.distance(place, self._height / self._width) >= INERTIA_WIDTHS * width / self._width

    def visits(self, zone: str) -> list[ZoneVisit]:
        """Return the visits that are not over."""
        return [ZoneVisit(zone, int(key), entered, seen_s=seen) for key, (entered, seen) in self._since[zone].items()]

    def present(self, zone: str, at_s: float, within_s: float) -> int:
        """Return how many are in a zone, those not found for more than `within_s` seconds left out."""
        since_s = at_s - within_s
        return sum([last >= since_s for _, last in self._since[zone].values()])
