"""Answers to the ten questions about a crowd, from what the analytics role has stored."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import reduce
from operator import add
from typing import Any

from analytics.uses.resets import DailyResets, inside_venue
from contracts.cameras import Camera
from contracts.errors import ContractError
from contracts.events import EventKind
from contracts.occupancy import HEAT_COLUMNS, HEAT_ROWS, SPANS_S, Occupancy
from contracts.times import from_epoch_ms, to_rfc3339
from settings import Settings
from storage.cameras import Cameras
from storage.client import Connection
from storage.events import Events, Happening
from storage.heatmaps import Heatmaps
from storage.occupancy import OccupancyStore
from storage.venues import Venues
from web.services import uses

USES = (
    "occupancy",
    "flow",
    "dwell",
    "queue",
    "heatmap",
    "distancing",
    "engagement",
    "attendance",
    "evacuation",
    "anomalies",
)
_BUCKETS_S = (1, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400)
_MOST_POINTS = 120
_MOST_BUCKETS = 10_000
_DEFAULT_PERIOD = timedelta(hours=1)
_FIRST_YEAR, _LAST_YEAR = 1970, 9998
_SECONDS_UP_TO = timedelta(hours=6)

Fields = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What is asked, of where, over [start, end), in buckets that begin at whole multiples of `bucket_s`.

    Of a heatmap with `half_life_s`, what was so long before the end counts half.
    """

    use: str
    camera_id: str | None
    zone: str | None
    line: str | None
    venue: str | None
    start: datetime
    end: datetime
    bucket_s: int
    half_life_s: float | None = None

    @classmethod
    def of(
        cls,
        use: str,
        *,
        camera_id: str | None,
        zone: str | None,
        line: str | None,
        venue: str | None,
        start: datetime | None,
        end: datetime | None,
        bucket_s: int | None,
        now: datetime,
        half_life_s: float | None = None,
    ) -> "Question":
        """Fill in what was not said: the last hour, and a bucket that gives about a hundred points.

        Raises:
            ContractError: no camera is named, the period is none, or the buckets are too many.
        """
        if camera_id is None and (use != "flow" or venue is None):
            raise ContractError("name a camera (camera=…), or for flow a venue (venue=…)")
        for name, at in (("from", start), ("to", end)):
            if at is not None and not _FIRST_YEAR <= at.year <= _LAST_YEAR:
                raise ContractError(
                    f"{name} should lie in the years {_FIRST_YEAR} to {_LAST_YEAR}, is {to_rfc3339(at)}"
                )
        end = end or (now if start is None else max(now, start + timedelta(seconds=1)))
        start = start or end - _DEFAULT_PERIOD
        length_s = (end - start).total_seconds()
        if length_s <= 0:
            raise ContractError(f"from should be before to, is {to_rfc3339(start)} and {to_rfc3339(end)}")
        if bucket_s is None:
            bucket_s = next((one for one in _BUCKETS_S if length_s / one <= _MOST_POINTS), _BUCKETS_S[-1])
        if length_s / bucket_s > _MOST_BUCKETS:
            raise ContractError(f"bucket should be larger: {bucket_s} s gives more than {_MOST_BUCKETS} points")
        if end - start > _SECONDS_UP_TO and bucket_s % 60:
            raise ContractError("bucket should be whole minutes (60, 120, …) over more than six hours")
        return cls(use, camera_id, zone, line, venue, start, end, bucket_s, half_life_s)

    def bucket(self, at_s: float) -> int:
        """Return when the bucket begins that a time lies in, both in seconds since 1970."""
        return math.floor(at_s) // self.bucket_s * self.bucket_s


@dataclass(frozen=True)
class Stored:
    """Where the answers come from."""

    occupancy: OccupancyStore
    events: Events
    heatmaps: Heatmaps
    cameras: Cameras
    venues: Venues

    @classmethod
    def of(cls, client: Connection, settings: Settings) -> "Stored":
        """Return what MongoDB holds."""
        return cls(
            OccupancyStore(client, settings),
            Events(client, settings),
            Heatmaps(client, settings),
            Cameras(client, settings),
            Venues(client, settings),
        )


class Analytics:
    """Reads what is stored, and puts the answers together."""

    def __init__(
        self,
        stored: Stored,
        settings: Settings,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._now = now
        self._resets = DailyResets(settings.venue_resets)
        self._keep_seconds = timedelta(days=settings.occupancy_seconds_days)
        self._occupancy, self._events, self._heatmaps = stored.occupancy, stored.events, stored.heatmaps
        self._cameras, self._venues = stored.cameras, stored.venues
        self._answers: dict[str, Callable[[Question], tuple[dict[int, Fields], Fields]]] = {
            "occupancy": self._occupied,
            "flow": self._flow,
            "dwell": self._dwell,
            "queue": self._queue,
            "distancing": self._distancing,
            "engagement": self._engagement,
            "attendance": self._attendance,
            "evacuation": self._evacuation,
            "anomalies": self._anomalies,
        }

    def answer(self, question: Question) -> Fields:
        """Return the answer as JSON types.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        if question.use == "anomalies":  # minutes are judged: no bucket is shorter
            question = replace(question, bucket_s=math.ceil(question.bucket_s / 60) * 60)
        place = "venue" if question.venue else "line" if question.line else "zone"
        head = {
            "use": question.use,
            "camera_id": question.camera_id,
            place: getattr(question, place),
            "from": to_rfc3339(question.start),
            "to": to_rfc3339(question.end),
            "bucket_s": question.bucket_s,
        }
        if question.use == "heatmap":
            return {**head, **self._heatmap(question)}
        points, total = self._answers[question.use](question)
        series = [{"at": to_rfc3339(from_epoch_ms(1000 * at_s)), **points[at_s]} for at_s in sorted(points)]
        return {**head, "series": series, "total": total}

    def _camera(self, camera_id: str) -> Camera:
        """Return a camera's settings, the defaults for one without a document.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._cameras.get(camera_id) or Camera(camera_id)

    def _spans(self, question: Question, zone: str | None) -> list[Occupancy]:
        """Return the occupancy over the period, as fine as the buckets need and as it is still kept."""
        start = from_epoch_ms(1000 * question.bucket(question.start.timestamp()))
        recent = self._now() - start < self._keep_seconds
        if question.bucket_s % 60 or (recent and question.end - start <= _SECONDS_UP_TO):
            span = "second"
        else:
            span = next(name for name in ("day", "hour", "minute") if question.bucket_s % SPANS_S[name] == 0)
        assert question.camera_id is not None
        return self._occupancy.read(span, question.camera_id, zone, start, question.end)

    def _by_bucket(self, question: Question, zone: str | None) -> dict[int, Occupancy]:
        found: dict[int, Occupancy] = {}
        for one in self._spans(question, zone):
            at_s = question.bucket(one.at_s)
            found[at_s] = found[at_s] + one if at_s in found else one
        return found

    def _happenings(self, question: Question, kind: EventKind, zones: Sequence[str] | None) -> list[Happening]:
        assert question.camera_id is not None
        start = from_epoch_ms(1000 * question.bucket(question.start.timestamp()))
        return self._events.happenings(kind, start, question.end, camera_id=question.camera_id, zones=zones)

    def _zones(self, question: Question, role: str | None = None) -> list[str] | None:
        """Return the zones that are asked for: the one named, else those with a role, all where no role matters."""
        if question.zone is not None:
            return [question.zone]
        if role is None or question.camera_id is None:
            return None
        return [zone.name for zone in self._camera(question.camera_id).zones if role in zone.roles]

    def _occupied(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        found = self._by_bucket(question, question.zone)
        return {at_s: uses.occupancy([one]) for at_s, one in found.items()}, uses.occupancy(found.values())

    def _flow(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        start = from_epoch_ms(1000 * question.bucket(question.start.timestamp()))
        crossed: list[Happening] = []
        known: set[int] = set()
        for camera_id, lines in self._lines(question):
            kind = EventKind.LINE_CROSSED
            crossed += self._events.happenings(kind, start, question.end, camera_id=camera_id, lines=lines)
            known |= self._by_bucket(replace(question, camera_id=camera_id), None).keys()
        points = _grouped(question, crossed, known, uses.flow)
        total = uses.flow(crossed)
        inside = total["in"] - total["out"]
        if question.venue is not None:
            tallies = self._venues.tallies(question.venue)
            inside = inside_venue(question.venue, tallies, self._resets, self._now().timestamp())
        return points, {**total, "inside": max(inside, 0)}

    def _lines(self, question: Question) -> list[tuple[str, list[str] | None]]:
        """Return each camera that is asked for with its lines, None for all."""
        if question.venue is None:
            assert question.camera_id is not None
            return [(question.camera_id, None if question.line is None else [question.line])]
        lines = {
            camera.camera_id: [line.name for line in camera.lines if line.venue == question.venue]
            for camera in self._cameras.page()
            if question.camera_id in (None, camera.camera_id)
        }
        return [(camera_id, names) for camera_id, names in lines.items() if names]

    def _dwell(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        visits = self._happenings(question, EventKind.ZONE_LEFT, self._zones(question))
        known = self._by_bucket(question, question.zone)
        return _grouped(question, visits, known, uses.dwell), uses.dwell(visits)

    def _queue(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        zones = self._zones(question, "queue") or []
        joined = self._happenings(question, EventKind.QUEUE_JOINED, zones)
        served = self._happenings(question, EventKind.QUEUE_LEFT, zones)
        lengths: dict[int, list[Occupancy]] = {}
        for zone in zones:
            for at_s, one in self._by_bucket(question, zone).items():
                lengths.setdefault(at_s, []).append(one)
        arrived, left = _by_time(question, joined), _by_time(question, served)
        points = {
            at_s: uses.queue(lengths.get(at_s, []), arrived.get(at_s, []), left.get(at_s, []))
            for at_s in lengths.keys() | arrived.keys() | left.keys()
        }
        whole = [reduce(add, of_zone) for of_zone in _by_zone(lengths.values())]
        return points, uses.queue(whole, joined, served)

    def _distancing(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        seen = self._by_bucket(question, None)
        near = self._happenings(question, EventKind.DISTANCE, None)
        at = _by_time(question, near)
        points = {
            at_s: {"pairs": seen[at_s].pairs if at_s in seen else len(at[at_s]), "violations": len(at.get(at_s, []))}
            for at_s in seen.keys() | at.keys()
        }
        most = max((one.pairs for one in seen.values()), default=0)
        return points, {"pairs": most, "violations": len(near)}

    def _engagement(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        looks = self._happenings(question, EventKind.ENGAGED, self._zones(question))
        known = self._by_bucket(question, question.zone)
        return _grouped(question, looks, known, uses.engagement), uses.engagement(looks)

    def _attendance(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        seen = self._by_bucket(question, None)
        if question.zone is None:
            return {at_s: uses.attendance([one]) for at_s, one in seen.items()}, uses.attendance(seen.values())
        entered = self._happenings(question, EventKind.ZONE_ENTERED, [question.zone])
        at = _by_time(question, entered)
        points = {at_s: uses.attendance_of_zone(at.get(at_s, []), [one]) for at_s, one in seen.items()}
        return points, uses.attendance_of_zone(entered, seen.values())

    def _evacuation(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        zones = self._zones(question, "exit") or []
        passed = self._happenings(question, EventKind.ZONE_LEFT, zones)
        at = _by_time(question, passed)
        inside = self._by_bucket(question, question.zone)
        points = {
            at_s: uses.evacuation(zones, at.get(at_s, []), question.bucket_s, inside.get(at_s))
            for at_s in inside.keys() | at.keys()
        }
        last = inside[max(inside)] if inside else None
        seconds = (question.end - question.start).total_seconds()
        total = uses.evacuation(zones, passed, seconds, last)
        cleared_s = uses.cleared_at(self._spans(question, question.zone))
        return points, {
            **total,
            "cleared_at": None if cleared_s is None else to_rfc3339(from_epoch_ms(1000 * cleared_s)),
        }

    def _anomalies(self, question: Question) -> tuple[dict[int, Fields], Fields]:
        assert question.camera_id is not None
        start = from_epoch_ms(1000 * question.bucket(question.start.timestamp()))
        span = "minute" if question.bucket_s % 3600 else "hour"
        minutes = self._occupancy.read(span, question.camera_id, question.zone, start, question.end)
        buckets: dict[int, list[Occupancy]] = {}
        for one in minutes:
            buckets.setdefault(question.bucket(one.at_s), []).append(one)
        return {at_s: uses.anomalies(found) for at_s, found in buckets.items()}, uses.anomalies(minutes)

    def _heatmap(self, question: Question) -> Fields:
        length = question.end - question.start
        span = "minute" if length <= timedelta(days=2) else "hour" if length <= timedelta(days=60) else "day"
        start_s = math.floor(question.start.timestamp()) // SPANS_S[span] * SPANS_S[span]
        assert question.camera_id is not None
        start = from_epoch_ms(1000 * start_s)
        cells = self._heatmaps.total(span, question.camera_id, start, question.end, question.half_life_s)
        rows = [
            [round(cells.get(row * HEAT_COLUMNS + column, 0) / 1000, 3) for column in range(HEAT_COLUMNS)]
            for row in range(HEAT_ROWS)
        ]
        person_s = round(sum(cells.values()) / 1000, 3)
        return {"columns": HEAT_COLUMNS, "rows": HEAT_ROWS, "cells": rows, "total": {"person_s": person_s}}


def _by_time(question: Question, found: Iterable[Happening]) -> dict[int, list[Happening]]:
    buckets: dict[int, list[Happening]] = {}
    for one in found:
        buckets.setdefault(question.bucket(one.at.timestamp()), []).append(one)
    return buckets


def _grouped(
    question: Question,
    found: Iterable[Happening],
    known: Iterable[int],
    count: Callable[[list[Happening]], Fields],
) -> dict[int, Fields]:
    """Count what happened in each bucket in which the camera was seen to work, or something happened."""
    buckets = _by_time(question, found)
    return {at_s: count(buckets.get(at_s, [])) for at_s in {*known, *buckets}}


def _by_zone(buckets: Iterable[Iterable[Occupancy]]) -> list[list[Occupancy]]:
    zones: dict[str | None, list[Occupancy]] = {}
    for bucket in buckets:
        for one in bucket:
            zones.setdefault(one.zone, []).append(one)
    return list(zones.values())
