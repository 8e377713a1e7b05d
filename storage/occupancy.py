"""Collections `occupancy` (a time series of seconds) and `occupancy_rollups` (minutes, hours and days).

A time series takes no updates and knows no unique key. What was written by a process that was then killed may be there
twice; the count of a second is absolute, so readers take one of each.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pymongo import IndexModel, MongoClient, ReplaceOne
from pymongo.errors import CollectionInvalid

from contracts.occupancy import Occupancy
from contracts.times import from_epoch_ms
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.retention import DAY_S, ensure_retention, write_once

SECONDS = "occupancy"
ROLLUPS = "occupancy_rollups"


class OccupancyStore:
    """The repository of occupancy, fine and coarse."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._database = database(client, settings)
        self._seconds, self._rollups = self._database[SECONDS], self._database[ROLLUPS]
        self._keep_seconds_s = int(settings.occupancy_seconds_days * DAY_S)
        self._keep_days = {"minute": settings.occupancy_minutes_days, "hour": settings.occupancy_hours_days}

    def ensure_indexes(self) -> None:
        """Make the time series with its retention, and the rollups' indexes.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        series = {"timeField": "at", "metaField": "of", "granularity": "seconds"}
        with mongo_errors("cannot make the time series"):
            try:
                self._database.create_collection(SECONDS, timeseries=series, expireAfterSeconds=self._keep_seconds_s)
            except CollectionInvalid:
                self._database.command("collMod", SECONDS, expireAfterSeconds=self._keep_seconds_s)
            self._seconds.create_index([("of.camera_id", 1), ("of.zone", 1), ("at", 1)], name="place_time")
            self._rollups.create_indexes(
                [IndexModel([("camera_id", 1), ("span", 1), ("zone", 1), ("at_s", 1)], name="place_time")]
            )
        ensure_retention(self._rollups, "expires_at", 0)

    def add_seconds(self, seconds: Sequence[Occupancy], *, again: bool) -> None:
        """Add seconds; `again` when some may be there already: those are left out.

        Raises:
            UnavailableError: MongoDB did not take all of them; to add them `again` is safe.
        """
        if not seconds:
            return
        with mongo_errors("cannot store occupancy"):
            there: set[tuple[str, str | None, int, int]] = set()
            if again:
                first, last = (from_epoch_ms(1000 * pick(one.at_s for one in seconds)) for pick in (min, max))
                cameras = sorted({one.camera_id for one in seconds})
                query = {"of.camera_id": {"$in": cameras}, "at": {"$gte": first, "$lte": last}}
                there = {
                    (one["of"]["camera_id"], one["of"]["zone"], int(one["at"].timestamp()), one.get("session", 0))
                    for one in self._seconds.find(query, {"of": 1, "at": 1, "session": 1})
                }
            new = [one for one in seconds if (one.camera_id, one.zone, one.at_s, one.session) not in there]
            if new:
                self._seconds.insert_many([_second(one) for one in new], ordered=False)

    def put_rollups(self, rollups: Iterable[tuple[str, Occupancy, int]]) -> None:
        """Replace minutes, hours and days. Each comes with its span's name and a version: an older one changes nothing.

        Raises:
            UnavailableError: MongoDB did not take all of them; to put them again is safe.
        """
        writes = []
        for span, one, version in rollups:
            key = f"{one.camera_id}/{one.zone or ''}/{span}/{one.at_s}" + (f"/{one.session}" if one.session else "")
            document = {**one.to_dict(), "span": span, "version": version}
            if span in self._keep_days:
                keep = timedelta(days=self._keep_days[span])
                document["expires_at"] = from_epoch_ms(one.at_s * 1000) + keep
            writes.append(ReplaceOne({"_id": key, "version": {"$lte": version}}, document, upsert=True))
        with mongo_errors("cannot store occupancy"):
            write_once(self._rollups, writes)

    def read(self, span: str, camera_id: str, zone: str | None, start: datetime, end: datetime) -> list[Occupancy]:
        """Return a zone's spans of one length that begin in [start, end), oldest first; those unknown are absent.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read occupancy"):
            if span == "second":
                of = {"of.camera_id": camera_id, "of.zone": zone, "at": {"$gte": start, "$lt": end}}
                seconds = (_from_second(one) for one in self._seconds.find(of))
                found = {(one.at_s, one.session): one for one in seconds}
                return _add_up(found[key] for key in sorted(found))
            bounds = {"$gte": start.timestamp(), "$lt": end.timestamp()}
            query = {"camera_id": camera_id, "span": span, "zone": zone, "at_s": bounds}
            hidden = {"_id": 0, "span": 0, "version": 0, "expires_at": 0}
            found_spans = self._rollups.find(query, hidden).sort([("at_s", 1), ("session", 1)])
            return _add_up(Occupancy.from_dict(one) for one in found_spans)


def _add_up(spans: Iterable[Occupancy]) -> list[Occupancy]:
    """Return spans, in order, with what several sessions of a camera say of one time added up."""
    whole: list[Occupancy] = []
    for one in spans:
        if whole and whole[-1].at_s == one.at_s:
            whole[-1] += one
        else:
            whole.append(one)
    return whole


def _second(one: Occupancy) -> Document:
    document: Document = {
        "at": from_epoch_ms(one.at_s * 1000),
        "of": {"camera_id": one.camera_id, "zone": one.zone},
        "count": one.last,
    }
    if one.session:
        document["session"] = one.session
    if one.zone is None:
        document |= {name: getattr(one, name) for name in ("pairs", "tracks", "joined", "unexplained")}
    return document


def _from_second(document: Document) -> Occupancy:
    count, of = document["count"], document["of"]
    more = {name: document.get(name, 0) for name in ("pairs", "tracks", "joined", "unexplained", "session")}
    at_s = int(document["at"].timestamp())
    return Occupancy(of["camera_id"], of["zone"], at_s, 1, count, count, count, count, **more)
