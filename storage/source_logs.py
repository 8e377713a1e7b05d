"""Collection `checkpoints`: which log the places of results refer to, for each source topic.

Kafka gives a topic that is deleted and made again another id, and so does a Kafka that has lost its data. The offsets
of such a log begin anew, while MongoDB still holds results of the log before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from contracts.faces import FacesRecord
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.cursors import COLLECTION


@dataclass(frozen=True)
class SourceLog:
    """What is known of a source topic.

    Attributes:
        log_id: its id when it was last looked at.
        first: the first id that was ever seen. Results without an id are older than ids, and belong to that log.
        settled: whether every result of an earlier log has been set aside.
    """

    log_id: str
    first: str
    settled: bool

    def of(self, record_log: str | None) -> str:
        """Return the log that a stored result belongs to, by the id that it bears."""
        return self.first if record_log is None else record_log


Logs = Mapping[str, SourceLog]
"""By topic. A topic that is absent has no ids: its results are taken as they come."""


def belongs(record: FacesRecord, log_id: str | None, known: SourceLog | None) -> bool:
    """Whether a stored result is of the log with this id. What has no id, on either side, is believed."""
    own = record.log_id if known is None else known.of(record.log_id)
    return own is None or log_id is None or own == log_id


class SourceLogs:
    """The repository of source logs."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def get(self, topics: Sequence[str]) -> dict[str, SourceLog]:
        """Return what is known of these topics.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the ids of logs"):
            found = list(self._collection.find({"_id": {"$in": [_id(topic) for topic in topics]}}))
        return {one["topic"]: SourceLog(one["log_id"], one["first"], one["settled"]) for one in found}

    def begin(self, topic: str, log_id: str) -> None:
        """Note that a topic has this id now. The first id of a topic leaves nothing to be set aside.

        Raises:
            UnavailableError: MongoDB does not answer; to note it again is safe.
        """
        same = {"$eq": ["$log_id", log_id]}
        new = {"$eq": [{"$type": "$log_id"}, "missing"]}
        noted: Document = {
            "topic": topic,
            "log_id": log_id,
            "first": {"$ifNull": ["$first", log_id]},
            "settled": {"$cond": [new, True, {"$cond": [same, "$settled", False]}]},
            "since": {"$cond": [same, "$since", datetime.now(timezone.utc)]},
        }
        with mongo_errors("cannot note the id of a log"):
            try:
                self._collection.update_one({"_id": _id(topic)}, [{"$set": noted}], upsert=True)
            except DuplicateKeyError:  # another process was faster to make it
                self._collection.update_one({"_id": _id(topic)}, [{"$set": noted}])

    def settle(self, topic: str, log_id: str) -> None:
        """Note that all results of the logs before this one are set aside.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot note the id of a log"):
            self._collection.update_one({"_id": _id(topic), "log_id": log_id}, {"$set": {"settled": True}})


def _id(topic: str) -> str:
    return f"log/{topic}"
