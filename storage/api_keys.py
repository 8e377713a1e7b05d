"""Collection `api_keys`: what lets a program in, each known by the hash of its secret alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import MongoClient

from contracts.access import Role
from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "api_keys"


@dataclass(frozen=True)
class ApiKey:
    """A key. `cameras` limits it to these, `expires_at` in time; None does not."""

    id: str
    name: str
    secret_hash: str
    role: Role
    cameras: frozenset[str] | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None


class ApiKeys:
    """The repository of keys."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def add(self, key: ApiKey) -> None:
        """Note a key.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        document = {
            "_id": key.id,
            "name": key.name,
            "secret_hash": key.secret_hash,
            "role": key.role.value,
            "cameras": None if key.cameras is None else sorted(key.cameras),
            "created_by": key.created_by,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "last_used_at": key.last_used_at,
        }
        with mongo_errors("cannot note a key"):
            self._collection.insert_one(document)

    def get(self, key_id: str) -> ApiKey | None:
        """Return a key, None when there is none of this id, or none any more.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a key"):
            found = self._collection.find_one({"_id": key_id})
        return None if found is None else _from_document(found)

    def all(self) -> list[ApiKey]:
        """Return every key, the newest first.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the keys"):
            return [_from_document(found) for found in self._collection.find().sort([("created_at", -1), ("_id", 1)])]

    def remove(self, key_id: str) -> bool:
        """Revoke a key; False when there is none of this id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot revoke a key"):
            return self._collection.delete_one({"_id": key_id}).deleted_count == 1

    def used(self, key_id: str, at: datetime) -> None:
        """Note when a key was last used.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot note that a key was used"):
            self._collection.update_one({"_id": key_id}, {"$max": {"last_used_at": at}})


def _from_document(document: Mapping[str, Any]) -> ApiKey:
    cameras = document["cameras"]
    return ApiKey(
        id=document["_id"],
        name=document["name"],
        secret_hash=document["secret_hash"],
        role=Role(document["role"]),
        cameras=None if cameras is None else frozenset(cameras),
        created_by=document["created_by"],
        created_at=document["created_at"],
        expires_at=document["expires_at"],
        last_used_at=document["last_used_at"],
    )
