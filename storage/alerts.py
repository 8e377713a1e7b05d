"""Collection `alerts`: what somebody should look at. `_id` is the alert's id."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import DESCENDING, IndexModel, MongoClient, ReturnDocument, UpdateOne

from contracts.events import Alert
from contracts.times import to_rfc3339
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.lists import ListFilter
from storage.retention import DAY_S, ensure_retention, write_once

COLLECTION = "alerts"
_NEWEST_FIRST = [("raised_at", DESCENDING), ("_id", DESCENDING)]
_TIMES = ("raised_at", "cleared_at", "acknowledged_at")


class Alerts:
    """The repository of alerts."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._retention_s = int(settings.events_retention_days * DAY_S)

    def ensure_indexes(self) -> None:
        """Make the indexes: by camera and by time, newest first, and removal after the retention.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_indexes(
                [
                    IndexModel([("camera_id", 1), *_NEWEST_FIRST], name="camera_time_id"),
                    IndexModel(_NEWEST_FIRST, name="time_id"),
                ]
            )
        ensure_retention(self._collection, "raised_at", self._retention_s)

    def put(self, alerts: Iterable[Alert]) -> set[str]:
        """Store alerts as they were raised or cleared. The first end of one stays, and what people and channels added.

        Returns:
            The ids of those given as cleared that had another end before.

        Raises:
            UnavailableError: MongoDB did not take all of them; to put them again is safe.
        """
        writes, ends = [], dict[str, datetime]()
        for alert in alerts:
            document = {**alert.to_dict(), "raised_at": alert.raised_at}
            change: Document | list[Document] = {"$setOnInsert": document}
            if alert.cleared_at is not None:
                ends[alert.alert_id] = alert.cleared_at
                end = {"cleared_at": {"$ifNull": ["$cleared_at", alert.cleared_at]}}
                del document["cleared_at"]
                change = [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, "$$ROOT", end]}}]
            writes.append(UpdateOne({"_id": alert.alert_id}, change, upsert=True))
        with mongo_errors("cannot store alerts"):
            write_once(self._collection, writes)
            stored = list(self._collection.find({"_id": {"$in": [*ends]}}, {"cleared_at": 1})) if ends else []
        return {one["_id"] for one in stored if to_rfc3339(one["cleared_at"]) != to_rfc3339(ends[one["_id"]])}

    def acknowledge(self, alert_id: str, by: str, at: datetime) -> Document | None:
        """Note who has seen an alert, and when, unless somebody had before; None when there is no such alert.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot acknowledge an alert"):
            found = self._collection.find_one_and_update(
                {"_id": alert_id, "acknowledged_at": None},
                {"$set": {"acknowledged_at": at, "acknowledged_by": by}},
                return_document=ReturnDocument.AFTER,
            )
            found = found or self._collection.find_one({"_id": alert_id})
        return None if found is None else _from_document(found)

    def open_of(self, camera_id: str) -> list[Alert]:
        """Return the alerts of a camera that are not cleared.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read alerts"):
            found = list(self._collection.find({"camera_id": camera_id, "cleared_at": None}))
        return [Alert.from_dict(_from_document(document)) for document in found]

    def event_of(self, alert_id: str) -> str | None:
        """Return the id of the event that raised an alert, None when there is no such alert.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read an alert"):
            found = self._collection.find_one({"_id": alert_id}, {"event_id": 1})
        return None if found is None else str(found["event_id"])

    def newest(self, limit: int, wanted: ListFilter) -> list[Document]:
        """Return up to `limit` alerts as JSON types, the last raised first. The filter's kind is the rule.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query = wanted.query("rule", "raised_at")
        with mongo_errors("cannot read alerts"):
            found = list(self._collection.find(query).sort(_NEWEST_FIRST).limit(limit))
        return [_from_document(document) for document in found]


def _from_document(document: Document) -> dict[str, Any]:
    fields = {name: value for name, value in document.items() if name != "_id"}
    times = {name: None if document[name] is None else to_rfc3339(document[name]) for name in _TIMES}
    return {**fields, **times}
