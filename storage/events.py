"""Collection `events`: what happened. `_id` is the event's id, so that a repeat is stored once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import DESCENDING, IndexModel, InsertOne, MongoClient

from contracts.events import Event, EventKind
from contracts.faces import FacesRecord
from contracts.offsets import SourceOffset
from contracts.times import to_rfc3339
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.lists import ListFilter
from storage.retention import DAY_S, ensure_retention, write_once

COLLECTION = "events"
_BEFORE_AT_MOST, _AFTER_AT_MOST = timedelta(hours=1), timedelta(seconds=1)
"""An event is dated at the frame that showed it, or later, as silence is. Frames of a later log are later than both."""

_NEWEST_FIRST = [("at", DESCENDING), ("_id", DESCENDING)]


@dataclass(frozen=True)
class Happening:
    """What an answer counts of an event: when and where, and its number of seconds, where it has one."""

    at: datetime
    zone: str | None
    line: str | None
    track_id: int | None
    direction: str | None
    seconds: float | None


_SECONDS_OF = {EventKind.ZONE_LEFT: "dwell_s", EventKind.QUEUE_LEFT: "wait_s", EventKind.ENGAGED: "seconds"}


@dataclass(frozen=True)
class EventFrame:
    """The frame that showed an event: its place, its camera, and when the event was."""

    source: SourceOffset
    camera_id: str
    at: datetime

    def is_of(self, record: FacesRecord) -> bool:
        """Whether a result is of this frame: in another log, a frame of another time may have the same place."""
        before = self.at - record.captured_at
        return record.camera_id == self.camera_id and -_AFTER_AT_MOST <= before <= _BEFORE_AT_MOST


class Events:
    """The repository of events."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._retention_s = int(settings.events_retention_days * DAY_S)

    def ensure_indexes(self) -> None:
        """Make the indexes: by camera, by camera and kind, newest first, and removal after the retention.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_indexes(
                [
                    IndexModel([("camera_id", 1), *_NEWEST_FIRST], name="camera_time_id"),
                    IndexModel([("camera_id", 1), ("kind", 1), ("at", 1)], name="camera_kind_time"),
                    IndexModel(_NEWEST_FIRST, name="time_id"),
                ]
            )
        ensure_retention(self._collection, "at", self._retention_s)

    def add(self, events: Iterable[Event]) -> None:
        """Store events; one that is there already stays as it is.

        Raises:
            UnavailableError: MongoDB did not take all of them; to add them again is safe.
        """
        with mongo_errors("cannot store events"):
            write_once(self._collection, [InsertOne(_to_document(event)) for event in events])

    def frame_of(self, event_id: str) -> EventFrame | None:
        """Return the frame that showed an event, None when there is no such event.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read an event"):
            found = self._collection.find_one({"_id": event_id}, {"source": 1, "camera_id": 1, "at": 1})
        return None if found is None else EventFrame(SourceOffset(**found["source"]), found["camera_id"], found["at"])

    def newest(self, limit: int, wanted: ListFilter) -> list[Document]:
        """Return up to `limit` events as JSON types, newest first.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query = wanted.query("kind", "at")
        with mongo_errors("cannot read events"):
            found = list(self._collection.find(query).sort(_NEWEST_FIRST).limit(limit))
        return [_from_document(document) for document in found]

    def happenings(
        self,
        kind: EventKind,
        start: datetime,
        end: datetime,
        *,
        camera_id: str,
        zones: Sequence[str] | None = None,
        lines: Sequence[str] | None = None,
    ) -> list[Happening]:
        """Return a camera's events of one kind in [start, end), oldest first; of these zones or lines, where given.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query: Document = {"camera_id": camera_id, "kind": kind.value, "at": {"$gte": start, "$lt": end}}
        if zones is not None:
            query["zone"] = {"$in": [*zones]}
        if lines is not None:
            query["line"] = {"$in": [*lines]}
        fields = dict.fromkeys(("at", "zone", "line", "track_id", "direction", "value"), 1)
        with mongo_errors("cannot read events"):
            found = list(self._collection.find(query, fields).sort("at", 1))
        seconds = _SECONDS_OF.get(kind, "")
        return [
            Happening(one["at"], one["zone"], one["line"], one["track_id"], one["direction"], one["value"].get(seconds))
            for one in found
        ]


def _to_document(event: Event) -> Document:
    return {"_id": event.event_id, **event.to_dict(), "at": event.at}


def _from_document(document: Document) -> dict[str, Any]:
    fields = {name: value for name, value in document.items() if name != "_id"}
    return {**fields, "at": to_rfc3339(document["at"])}
