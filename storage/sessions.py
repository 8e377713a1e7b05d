"""Collections `sessions` and `sign_in_links`: what lets a browser in, each known by the hash of a secret alone."""

from dataclasses import dataclass
from datetime import datetime

from pymongo import MongoClient

from settings import Settings
from storage.client import Document, database, mongo_errors

SESSIONS = "sessions"
LINKS = "sign_in_links"


@dataclass(frozen=True)
class Session:
    """A browser that is signed in. It ends with its time, and when the user's version is another."""

    user: str
    user_version: int
    expires_at: datetime


class Sessions:
    """The repository of sessions and of links that sign in once. MongoDB removes both when their time is over."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._sessions = database(client, settings)[SESSIONS]
        self._links = database(client, settings)[LINKS]

    def ensure_indexes(self) -> None:
        """Make the indexes that forget what is over, and find the sessions of a user.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            for collection in (self._sessions, self._links):
                collection.create_index("expires_at", name="forget", expireAfterSeconds=0)
            self._sessions.create_index("user", name="user")

    def open(self, secret_hash: str, session: Session) -> None:
        """Note a session.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        document = {
            "_id": secret_hash,
            "user": session.user,
            "user_version": session.user_version,
            "expires_at": session.expires_at,
        }
        with mongo_errors("cannot open a session"):
            self._sessions.insert_one(document)

    def get(self, secret_hash: str, now: datetime) -> Session | None:
        """Return a session, None when there is none, or none any more.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a session"):
            found = self._sessions.find_one({"_id": secret_hash, "expires_at": {"$gt": now}})
        return None if found is None else Session(found["user"], found["user_version"], found["expires_at"])

    def end(self, secret_hash: str) -> None:
        """End a session.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot end a session"):
            self._sessions.delete_one({"_id": secret_hash})

    def end_all_of(self, user: str) -> None:
        """End every session of a user.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot end the sessions of a user"):
            self._sessions.delete_many({"user": user})

    def add_link(self, secret_hash: str, expires_at: datetime) -> None:
        """Note a link that signs in once.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot note a sign-in link"):
            self._links.insert_one({"_id": secret_hash, "expires_at": expires_at})

    def use_link(self, secret_hash: str, now: datetime) -> bool:
        """Use up a link. Of several calls at once one gets True; it is False for one that is used or over.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot use a sign-in link"):
            found = self._links.find_one_and_delete({"_id": secret_hash})
        return found is not None and bool(found["expires_at"] > now)
