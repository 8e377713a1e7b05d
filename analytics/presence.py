"""Who is in which zone, since when: visits, the ground on which most uses stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class ZoneVisit:
    """A track was in a zone from one time to another (seconds since 1970); `left_s` is None while it is."""

    zone: str
    track_id: int
    entered_s: float
    left_s: float | None = None


@dataclass(frozen=True)
class PresenceUpdate:
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
        self._width, self._height = image_size
        self._last: dict[str, float] = {}  # of each track the time of its last point
        self._since: dict[str, dict[str, list[float]]] = {}  # of each zone and track: entered, last point within

    def update(self, points: Iterable[TrackPoint], ended: Iterable[TrackEnd], interval_s: float) -> PresenceUpdate:
        """Take what a tracker reported of one frame; `interval_s` is the time between two frames, in seconds."""
        entered: list[ZoneVisit] = []
        left: list[ZoneVisit] = []
        for point in points:
            key = str(point.track_id)
            before_s = self._last.get(key, point.at_s - interval_s)
            for zone in self._zones:
                self._place(zone, key, point, before_s, entered, left)
            self._last[key] = point.at_s
        for end in ended:
            key = str(end.track_id)
            self._last.pop(key, None)
            for zone in self._zones:
                visit = self._since.get(zone.name, {}).pop(key, None)
                if visit is not None:
                    left.append(ZoneVisit(zone.name, end.track_id, visit[0], visit[1] + interval_s / 2))
        return PresenceUpdate(entered, left)

    def _place(
        self,
        zone: NamedZone,
        key: str,
        point: TrackPoint,
        before_s: float,
        entered: list[ZoneVisit],
        left: list[ZoneVisit],
    ) -> None:
        anchor = zone.anchor.of(point.x / self._width, point.y / self._height, point.height / self._height)
        visits = self._since.setdefault(zone.name, {})
        visit = visits.get(key)
        if zone.polygon.contains(anchor):
            if visit is None:
                visits[key] = [(before_s + point.at_s) / 2, point.at_s]
                entered.append(ZoneVisit(zone.name, point.track_id, visits[key][0]))
            else:
                visit[1] = point.at_s
        elif visit is not None and self._is_out(zone, anchor, point):
            left.append(ZoneVisit(zone.name, point.track_id, visit[0], (visit[1] + point.at_s) / 2))
            del visits[key]

    def _is_out(self, zone: NamedZone, anchor: Point, point: TrackPoint) -> bool:
        margin = INERTIA_WIDTHS * point.width / self._width
        return zone.polygon.distance(anchor, self._height / self._width) >= margin

    def visits(self, zone: str) -> list[ZoneVisit]:
        """Return the visits that are not over."""
        return [ZoneVisit(zone, int(key), entered) for key, (entered, _) in self._since.get(zone, {}).items()]

    def present(self, zone: str, at_s: float, within_s: float) -> int:
        """Return how many are in a zone, those not found for more than `within_s` seconds left out."""
        return sum(last >= at_s - within_s for _, last in self._since.get(zone, {}).values())
