"""Collection `audit`: who changed what, when, from where."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import DESCENDING, MongoClient

from contracts.errors import ContractError
from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "audit"
_KEPT_S = 400 * 24 * 3600
"""A year and a month, so that a year can be looked back on."""


@dataclass(frozen=True)
class AuditEntry:
    """One change. `what` is the route, `where` its path, `address` that of the caller; `detail` holds JSON types."""

    at: datetime
    who: str
    what: str
    where: str
    address: str
    detail: Mapping[str, Any]


class AuditLog:
    """The repository of changes. Entries are added and, long after, forgotten; nothing changes them."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def ensure_indexes(self) -> None:
        """Make the index that forgets.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_index("at", name="forget", expireAfterSeconds=_KEPT_S)

    def add(self, entry: AuditEntry) -> None:
        """Write an entry down.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        document = {
            "at": entry.at,
            "who": entry.who,
            "what": entry.what,
            "where": entry.where,
            "address": entry.address,
            "detail": dict(entry.detail),
        }
        with mongo_errors("cannot write down a change"):
            self._collection.insert_one(document)

    def newest(self, limit: int, before: str | None) -> tuple[list[AuditEntry], str | None]:
        """Return entries, newest first, and where the next page begins; None after the last one.

        Raises:
            ContractError: `before` is none that an earlier page gave.
            UnavailableError: MongoDB does not answer.
        """
        condition: Document = {}
        if before is not None:
            try:
                condition = {"_id": {"$lt": ObjectId(before)}}
            except InvalidId as error:
                raise ContractError(f"cursor should be the next of an earlier page, is {before!r:.40}") from error
        with mongo_errors("cannot read the changes"):
            found = list(self._collection.find(condition).sort("_id", DESCENDING).limit(limit + 1))
        entries = [
            AuditEntry(one["at"], one["who"], one["what"], one["where"], one["address"], one["detail"])
            for one in found[:limit]
        ]
        return entries, str(found[limit - 1]["_id"]) if len(found) > limit else None
