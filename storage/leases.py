"""Collection `leases`: which process does what, for as long as it says so again and again.

Time is MongoDB's own, so that the clocks of the processes need not agree.
"""

from collections.abc import Collection

from pymongo import MongoClient, ReturnDocument
from pymongo.errors import DuplicateKeyError

from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "leases"
_FORGET_AFTER_S = 3600


CAPTURE, NOTIFY = "capture", "notify"
"""Kinds of leases that processes hold in their own name, as a sign of life."""


class Leases:
    """Leases of one kind of thing, held by one owner. A lease that is not renewed within `ttl_s` is anybody's."""

    def __init__(
        self, client: "MongoClient[Document]", settings: Settings, kind: str, owner: str, ttl_s: float
    ) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._kind = kind
        self._owner = owner
        self._until: Document = {"$add": ["$$NOW", int(ttl_s * 1000)]}

    def ensure_indexes(self) -> None:
        """Make the index that forgets what nobody holds any more.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes of leases"):
            self._collection.create_index("until", name="forget", expireAfterSeconds=_FORGET_AFTER_S)

    def acquire(self, name: str) -> bool:
        """Take the lease of `name` if it is free, or renew it; return whether it is this owner's now.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        taken: Document = {"$and": [{"$gt": ["$until", "$$NOW"]}, {"$ne": ["$owner", self._owner]}]}
        lease: Document = {
            "owner": {"$cond": [taken, "$owner", self._owner]},
            "until": {"$cond": [taken, "$until", self._until]},
            "kind": self._kind,
        }
        with mongo_errors("cannot take a lease"):
            try:
                found = self._collection.find_one_and_update(
                    {"_id": self._id(name)}, [{"$set": lease}], upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:  # another was faster to make it
                return False
        return found is not None and bool(found["owner"] == self._owner)

    def renew(self, names: Collection[str]) -> set[str]:
        """Renew leases that this owner holds; return those that it still holds, even if they had run out.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        mine: Document = {"_id": {"$in": [self._id(name) for name in names]}, "owner": self._owner}
        with mongo_errors("cannot renew leases"):
            self._collection.update_many(mine, [{"$set": {"until": self._until}}])
            found = list(self._collection.find(mine, {"_id": 1}))
        return {document["_id"].removeprefix(f"{self._kind}/") for document in found}

    def release(self, names: Collection[str]) -> None:
        """Give leases of this owner back.

        Raises:
            UnavailableError: MongoDB does not answer; they run out by themselves.
        """
        with mongo_errors("cannot give leases back"):
            self._collection.delete_many({"_id": {"$in": [self._id(name) for name in names]}, "owner": self._owner})

    def held(self) -> dict[str, str]:
        """Return the owner of each lease of this kind that has not run out.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query: Document = {"kind": self._kind, "$expr": {"$gt": ["$until", "$$NOW"]}}
        with mongo_errors("cannot read leases"):
            found = list(self._collection.find(query))
        return {document["_id"].removeprefix(f"{self._kind}/"): document["owner"] for document in found}

    def _id(self, name: str) -> str:
        return f"{self._kind}/{name}"
