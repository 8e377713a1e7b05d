"""Collection `DetectedFaces`: one document a frame."""

from collections.abc import Iterable, Mapping

from pymongo import DESCENDING, IndexModel, MongoClient

from contracts.faces import FacesRecord
from contracts.offsets import SourceOffset
from contracts.times import to_rfc3339
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.lists import ListPlace, behind
from storage.result_writes import TIMES, Expiry, Written, aside_key, write_results
from storage.retention import ensure_retention
from storage.source_logs import Logs

COLLECTION = "DetectedFaces"
BY_CAMERA = "camera_time_id"
_NEWEST_FIRST = [("captured_at", DESCENDING), ("_id", DESCENDING)]
_RETENTION_OF_OLD = "retention"
"""The index of earlier versions, which removed every result after the same time."""


class Results:
    """The repository of results.

    `_id` is `topic/partition/offset` of the source frame, so that a repeat replaces. It means the log that the topic
    has now; a result of an earlier log of the same topic has the id of that log behind it, `topic/partition/offset@id`.
    """

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._database = database(client, settings)
        self._collection = self._database[COLLECTION]
        self._expiry = Expiry(settings.retention_days)

    def ensure_indexes(self) -> None:
        """Make the indexes: by camera and time, newest first, and removal of each document when it expires.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_indexes(
                [
                    IndexModel([("camera_id", 1), *_NEWEST_FIRST], name=BY_CAMERA),
                    IndexModel([("camera_id", 1), ("received_at", DESCENDING), *_NEWEST_FIRST], name="camera_received"),
                    IndexModel(_NEWEST_FIRST, name="time_id"),
                ]
            )
            indexes = self._collection.index_information()
            if "expires_at" not in dict(indexes.get(_RETENTION_OF_OLD, {}).get("key", [("expires_at", 1)])):
                self._collection.drop_index(_RETENTION_OF_OLD)
        ensure_retention(self._collection, "expires_at", 0)

    def replace_many(
        self, records: Iterable[FacesRecord], logs: Logs | None = None, expiry: Expiry | None = None
    ) -> Written:
        """Write each record under its source's id.

        A repeat replaces, but what was once detected is not taken back by a later `skipped` or `failed`, and a result
        of one log is never written over that of another.

        Args:
            records: what is to be written.
            logs: the logs that the source topics have now; without them, ids of logs are not looked at.
            expiry: when results expire; after the retention of the settings, if it is left out.

        Raises:
            UnavailableError: MongoDB did not take all of them; to write them again is safe.
        """
        return write_results(self._collection, records, logs or {}, expiry or self._expiry)

    def set_aside(self, topic: str, log_id: str, first: str, at_most: int, keys: Iterable[str] | None = None) -> int:
        """Give results of earlier logs of a topic an `_id` with the id of their log; return how many it were.

        Safe to repeat after a kill at any point, and to run in several processes.

        Args:
            topic: the source topic.
            log_id: its id now.
            first: the log of results that bear no id.
            at_most: how many to take; fewer come back when these were the last.
            keys: take only these `_id`s.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        places: Document = {"$gte": f"{topic}/", "$lt": f"{topic}0", "$not": {"$regex": "@"}}  # 0 comes after /
        if keys is not None:
            places["$in"] = [*keys]
        earlier: Document = {"log_id": {"$not": {"$in": [log_id, None] if first == log_id else [log_id]}}}
        with mongo_errors("cannot set results of an earlier log aside"):
            found = self._collection.find({"_id": places, **earlier}, {"_id": 1}).sort("_id", 1).limit(at_most)
            ids = [one["_id"] for one in found]
            if not ids:
                return 0
            chosen = {"_id": {"$in": ids}, **earlier}
            own_log = {"$toString": {"$ifNull": ["$log_id", first]}}
            is_better = {"$and": [{"$eq": ["$$new.status", "ok"]}, {"$ne": ["$status", "ok"]}]}
            better: Document = {"$cond": [is_better, "$$new", "$$ROOT"]}  # what came late is aside already
            pipeline: list[Document] = [
                {"$match": chosen},
                {"$set": {"_id": {"$concat": ["$_id", "@", own_log]}, "log_id": own_log}},
                {
                    "$merge": {
                        "into": COLLECTION,
                        "on": "_id",
                        "whenMatched": [{"$replaceWith": better}],
                        "whenNotMatched": "insert",
                    }
                },
            ]
            self._collection.aggregate(pipeline)
            self._collection.delete_many(chosen)
        return len(ids)

    def get(self, source: SourceOffset, log_id: str | None = None) -> FacesRecord | None:
        """Return the result of one frame, None while there is none.

        With `log_id`, what was set aside of that log counts too. What is returned may be of another log than that:
        its own id tells.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        keys = [str(source)] if log_id is None else [str(source), aside_key(source, log_id)]
        with mongo_errors("cannot read a result"):
            found = list(self._collection.find({"_id": {"$in": keys}}).sort("_id", DESCENDING).limit(1))
        return from_document(found[0]) if found else None

    def newest(self, limit: int, camera_id: str | None = None, after: ListPlace | None = None) -> list[FacesRecord]:
        """Return up to `limit` results, the last captured first, of one camera or of all.

        `after` names the result that the list goes on after, by its time and id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query: Document = {} if camera_id is None else {"camera_id": camera_id}
        if after is not None:
            query |= behind("captured_at", after)
        with mongo_errors("cannot read results"):
            found = list(self._collection.find(query).sort(_NEWEST_FIRST).limit(limit))
        return [from_document(document) for document in found]

    def count(self) -> int:
        """Return how many results there are.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot count results"):
            return self._collection.estimated_document_count()


def from_document(document: Mapping[str, object]) -> FacesRecord:
    """Build a record from its document."""
    times = {name: to_rfc3339(document[name]) for name in TIMES if document.get(name) is not None}  # type: ignore[arg-type]
    return FacesRecord.from_dict({**document, **times})
