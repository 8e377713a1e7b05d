"""What a page shows of all cameras at once, read from `DetectedFaces`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pymongo import MongoClient

from contracts.faces import FacesRecord, Status
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.results import COLLECTION, from_document


@dataclass(frozen=True)
class TrendPoint:
    """The faces in one camera's frames of one stretch of time that starts at `at`."""

    at: datetime
    mean_faces: float
    max_faces: int


class Overview:
    """Reads the newest result of each camera, and how their counts went."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def newest_of_each_camera(self, limit: int) -> list[FacesRecord]:
        """Return the result of each camera whose frame came into the log last, the most recent camera first, `limit`
        cameras at most.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        pipeline: list[Document] = [
            {
                "$sort": {"camera_id": 1, "received_at": -1, "captured_at": -1, "_id": -1}
            },  # with the $group: one step of the index each
            {"$group": {"_id": "$camera_id", "newest": {"$first": "$$ROOT"}}},
            {"$sort": {"newest.received_at": -1, "newest.captured_at": -1}},
            {"$limit": limit},
        ]
        with mongo_errors("cannot read the newest results"):
            found = list(self._collection.aggregate(pipeline))
        return [from_document(group["newest"]) for group in found]

    def trends(self, since: datetime, bucket_s: int) -> Mapping[str, list[TrendPoint]]:
        """Return each camera's counts from `since` on, in buckets of `bucket_s`, oldest first.

        A bucket without a detected frame is absent: it is unknown, not zero.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        bucket = {"$dateTrunc": {"date": "$captured_at", "unit": "second", "binSize": bucket_s}}
        pipeline: list[Document] = [
            {"$match": {"captured_at": {"$gte": since}, "status": Status.OK.value}},
            {
                "$group": {
                    "_id": {"camera_id": "$camera_id", "at": bucket},
                    "mean": {"$avg": "$total_faces"},
                    "max": {"$max": "$total_faces"},
                }
            },
            {"$sort": {"_id.at": 1}},
        ]
        with mongo_errors("cannot read the trends"):
            found = list(self._collection.aggregate(pipeline))
        trends: dict[str, list[TrendPoint]] = {}
        for group in found:
            point = TrendPoint(group["_id"]["at"], group["mean"], group["max"])
            trends.setdefault(group["_id"]["camera_id"], []).append(point)
        return trends
