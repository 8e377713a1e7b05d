"""Collection `snapshots`: pictures of alerts, which outlive the log. `_id` is the alert's id.

An entry is asked for together with its alert, and filled later by whoever claims it. So a kill in between loses none,
and a picture that cannot be read holds nothing up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson.binary import Binary
from pymongo import InsertOne, MongoClient

from contracts.faces import BoundingBox
from contracts.offsets import SourceOffset
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.retention import DAY_S, ensure_retention, write_once

COLLECTION = "snapshots"


@dataclass(frozen=True)
class Wanted:
    """A picture to be kept: that of the frame at `source`, which raised the alert at `at`."""

    alert_id: str
    camera_id: str
    at: datetime
    source: SourceOffset


@dataclass(frozen=True)
class Snapshot:
    """A picture that is kept: a JPEG, the faces' boxes in its pixels, and whether they are blurred in it."""

    camera_id: str
    jpeg: bytes
    boxes: tuple[BoundingBox, ...]
    blurred: bool


class Snapshots:
    """The repository of pictures of alerts."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._retention_s = int(settings.snapshots_retention_days * DAY_S)

    def ensure_indexes(self) -> None:
        """Make the indexes: what is still to be taken, and removal after the retention.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_index("due_at", name="due", sparse=True)
        ensure_retention(self._collection, "at", self._retention_s)

    def want(self, wanted: Iterable[Wanted], now: datetime) -> None:
        """Ask for pictures. One that was asked for before, taken or given up, stays as it is.

        Raises:
            UnavailableError: MongoDB did not take all of them; to ask again is safe.
        """
        writes = [
            InsertOne(
                {
                    "_id": one.alert_id,
                    "camera_id": one.camera_id,
                    "at": one.at,
                    "source": vars(one.source),
                    "asked_at": now,
                    "due_at": now,
                }
            )
            for one in wanted
        ]
        with mongo_errors("cannot ask for pictures of alerts"):
            write_once(self._collection, writes)

    def claim(self, now: datetime, again_s: float, at_most_s: float) -> Wanted | None:
        """Return a picture that is due, None when there is none; unless it is settled it is due again after `again_s`.

        What was asked for longer ago than `at_most_s` is due no more.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        ahead = now + timedelta(seconds=2 * again_s)  # by a clock that was wrong, then or now
        due: Document = {
            "$or": [{"due_at": {"$lte": now}}, {"due_at": {"$gt": ahead}}],
            "asked_at": {"$gt": now - timedelta(seconds=at_most_s)},
        }
        with mongo_errors("cannot look for pictures of alerts"):
            found = self._collection.find_one_and_update(
                due, {"$set": {"due_at": now + timedelta(seconds=again_s)}}, sort=[("due_at", 1)]
            )
        if found is None:
            return None
        return Wanted(found["_id"], found["camera_id"], found["at"], SourceOffset(**found["source"]))

    def keep(self, alert_id: str, snapshot: Snapshot) -> None:
        """Keep a picture that was claimed; the first stays.

        Raises:
            UnavailableError: MongoDB does not answer; to keep it again is safe.
        """
        boxes = [[box.x, box.y, box.width, box.height] for box in snapshot.boxes]
        picture = {"jpeg": Binary(snapshot.jpeg), "boxes": boxes, "blurred": snapshot.blurred}
        self._settle(alert_id, picture)

    def give_up(self, alert_id: str, reason: str) -> None:
        """Note why there will be no picture.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        self._settle(alert_id, {"error": reason})

    def _settle(self, alert_id: str, fields: Document) -> None:
        with mongo_errors("cannot keep the picture of an alert"):
            self._collection.update_one(
                {"_id": alert_id, "due_at": {"$exists": True}}, {"$set": fields, "$unset": {"due_at": ""}}
            )

    def get(self, alert_id: str) -> Snapshot | None:
        """Return the picture of an alert, None when none is kept.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the picture of an alert"):
            found = self._collection.find_one({"_id": alert_id, "jpeg": {"$exists": True}})
        if found is None:
            return None
        boxes = tuple(BoundingBox(*box) for box in found["boxes"])
        return Snapshot(found["camera_id"], bytes(found["jpeg"]), boxes, found["blurred"])
