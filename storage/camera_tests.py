"""Collection `camera_tests`: pictures that somebody asks for to see whether a camera's address is right.

The web asks, the process that captures answers: only that one opens cameras.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from bson import Binary
from pymongo import MongoClient

from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "camera_tests"
_FORGET_AFTER_S = 60


@dataclass(frozen=True)
class PictureAnswer:
    """What came of a test: a picture, or why there is none."""

    picture: bytes | None
    error: str | None


class CameraTests:
    """The repository of questions and answers. Each is forgotten after a minute: addresses hold passwords."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def ensure_indexes(self) -> None:
        """Make the index that forgets.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes of camera tests"):
            self._collection.create_index("asked_at", name="forget", expireAfterSeconds=_FORGET_AFTER_S)

    def ask(self, url: str, now: datetime) -> str:
        """Ask for a picture of the camera at `url`; return the question's id.

        Raises:
            UnavailableError: MongoDB did not take it.
        """
        question = uuid.uuid4().hex
        with mongo_errors("cannot ask for a picture"):
            self._collection.insert_one({"_id": question, "url": url, "asked_at": now, "claimed": False})
        return question

    def claim(self) -> tuple[str, str] | None:
        """Take over a question that nobody answers yet; return its id and the address, None when there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot look for questions"):
            found = self._collection.find_one_and_update({"claimed": False}, {"$set": {"claimed": True}})
        return None if found is None else (found["_id"], found["url"])

    def answer(self, question: str, answer: PictureAnswer) -> None:
        """Answer a question; the address is forgotten with it.

        Raises:
            UnavailableError: MongoDB did not take it.
        """
        picture = None if answer.picture is None else Binary(answer.picture)
        with mongo_errors("cannot answer with a picture"):
            self._collection.update_one(
                {"_id": question},
                {"$set": {"answer": {"picture": picture, "error": answer.error}}, "$unset": {"url": ""}},
            )

    def take_answer(self, question: str) -> PictureAnswer | None:
        """Return the answer and forget the question; None while there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the answer"):
            found = self._collection.find_one_and_delete({"_id": question, "answer": {"$exists": True}})
        return None if found is None else PictureAnswer(**found["answer"])

    def withdraw(self, question: str) -> None:
        """Forget a question that nobody waits for any more.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot withdraw a question"):
            self._collection.delete_one({"_id": question})
