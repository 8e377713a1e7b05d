"""Collection `users`: who may sign in, and with what role."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from contracts.access import Role
from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "users"


@dataclass(frozen=True)
class User:
    """A person. `password` is its hash; `version` counts what ends the sessions that were opened before."""

    name: str
    role: Role
    password: str
    created_at: datetime
    version: int = 1


class Users:
    """The repository of users. Once there is an administrator, there always is one."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def get(self, name: str) -> User | None:
        """Return a user, None when there is none of this name.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a user"):
            found = self._collection.find_one({"_id": name})
        return None if found is None else _from_document(found)

    def all(self) -> list[User]:
        """Return every user, the oldest first.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the users"):
            return [_from_document(found) for found in self._collection.find().sort([("created_at", 1), ("_id", 1)])]

    def oldest_administrator(self) -> User | None:
        """Return the administrator who was here first, None before there is one.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return next((user for user in self.all() if user.role is Role.ADMINISTRATOR), None)

    def add(self, user: User) -> bool:
        """Add a user; False when the name is taken.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        document = {
            "_id": user.name,
            "role": user.role.value,
            "password": user.password,
            "created_at": user.created_at,
            "version": user.version,
        }
        with mongo_errors("cannot add a user"):
            try:
                self._collection.insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    def change(self, name: str, role: Role, password: str | None) -> bool:
        """Set a user's role and, where one is given, the password, which ends the user's sessions.

        False when there is no such user, or no other administrator: then nothing is changed.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        changes: Document = {"$set": {"role": role.value}}
        if password is not None:
            changes = {"$set": {"role": role.value, "password": password}, "$inc": {"version": 1}}
        with mongo_errors("cannot change a user"):
            before = self._collection.find_one_and_update({"_id": name}, changes)
            if before is None:
                return False
            if not self._is_governed():  # two at once may both see that, and both take it back
                self._collection.replace_one({"_id": name}, before)
                return False
        return True

    def remove(self, name: str) -> bool:
        """Remove a user. False when there is no such user, or no other administrator: then nothing is changed.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot remove a user"):
            before = self._collection.find_one_and_delete({"_id": name})
            if before is None:
                return False
            if not self._is_governed():
                self._collection.insert_one(before)
                return False
        return True

    def _is_governed(self) -> bool:
        return self._collection.find_one({"role": Role.ADMINISTRATOR.value}) is not None


def _from_document(document: Mapping[str, Any]) -> User:
    return User(
        name=document["_id"],
        role=Role(document["role"]),
        password=document["password"],
        created_at=document["created_at"],
        version=document["version"],
    )
