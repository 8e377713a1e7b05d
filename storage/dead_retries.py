"""Collection `dead_retries`: which dead letters were retried, when and by whom, and where the record stands now.

Kafka's log cannot be marked. A letter's key is its place and its time: a topic that begins anew gives other keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.retention import DAY_S, ensure_retention

COLLECTION = "dead_retries"
_CLAIMED_FOR = timedelta(minutes=3)
_HOUR_S = 3600


@dataclass(frozen=True)
class DeadRetry:
    """A retry of a dead letter. `to` is the record's new place in the log; None while it is being sent."""

    at: datetime
    by: str
    to: str | None


class DeadRetries:
    """The repository of retries. They are kept a day longer than the letters."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._retention_s = int(settings.frames_retention_hours * _HOUR_S + DAY_S)

    def ensure_indexes(self) -> None:
        """Make the index that forgets.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        ensure_retention(self._collection, "at", self._retention_s)

    def find(self, keys: Sequence[str]) -> dict[str, DeadRetry]:
        """Return the retries of those letters that have one.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the retries of dead letters"):
            found = list(self._collection.find({"_id": {"$in": list(keys)}}))
        return {one["_id"]: _retry(one) for one in found}

    def claim(self, key: str, by: str, now: datetime, *, again: bool) -> DeadRetry | None:
        """Take a letter for a retry; return the earlier retry if there is one and it is not to be done `again`.

        A claim of minutes ago that was not settled is free: whoever made it was stopped.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        stale: Document = {"to": None, "at": {"$lt": now - _CLAIMED_FOR}}
        free: Document = {"$or": [{"to": {"$ne": None}}, stale]} if again else stale
        with mongo_errors("cannot note the retry of a dead letter"):
            try:
                self._collection.update_one(
                    {"_id": key, **free}, {"$set": {"at": now, "by": by, "to": None}}, upsert=True
                )
            except DuplicateKeyError:
                found = self._collection.find_one({"_id": key})
                return DeadRetry(now, by, None) if found is None else _retry(found)
        return None

    def settle(self, key: str, to: str) -> None:
        """Note where the record stands now.

        Raises:
            UnavailableError: MongoDB did not take it.
        """
        with mongo_errors("cannot note the retry of a dead letter"):
            self._collection.update_one({"_id": key}, {"$set": {"to": to}})

    def release(self, key: str, earlier: DeadRetry | None) -> None:
        """Give a claim back: the record was not sent, and the earlier retry is the last one.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot note the retry of a dead letter"):
            if earlier is None:
                self._collection.delete_one({"_id": key})
            else:
                self._collection.replace_one({"_id": key}, {"at": earlier.at, "by": earlier.by, "to": earlier.to})


def _retry(found: Document) -> DeadRetry:
    return DeadRetry(found["at"], found["by"], found["to"])
