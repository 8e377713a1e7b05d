"""Collection `camera_states`: how the capture of each camera goes, as the process that captures it says."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from pymongo import MongoClient, ReplaceOne

from contracts.times import to_rfc3339
from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "camera_states"


class Capturing(str, Enum):
    """How the capture of a camera goes."""

    STARTING = "starting"
    LIVE = "live"
    OFFLINE = "offline"


@dataclass(frozen=True)
class CameraState:
    """How the capture of one camera goes.

    Attributes:
        state: what it is.
        since: from when on it is so.
        seen_at: when a process said so last; a state that is not said again for a while is no longer known.
        error: why it is offline, without user and password.
        fps: frames a second that go into the log.
    """

    camera_id: str
    state: Capturing
    since: datetime
    seen_at: datetime
    error: str | None = None
    fps: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        return {
            "camera_id": self.camera_id,
            "state": self.state.value,
            "since": to_rfc3339(self.since),
            "seen_at": to_rfc3339(self.seen_at),
            "error": self.error,
            "fps": round(self.fps, 2),
        }


class CameraStates:
    """The repository of states. `_id` is the camera's id."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def put_many(self, states: Collection[CameraState]) -> None:
        """Write states.

        Raises:
            UnavailableError: MongoDB did not take them.
        """
        if not states:
            return
        writes: list[ReplaceOne[Document]] = [
            ReplaceOne({"_id": state.camera_id}, _to_document(state), upsert=True) for state in states
        ]
        with mongo_errors("cannot store the states of cameras"):
            self._collection.bulk_write(writes, ordered=False)

    def all(self) -> dict[str, CameraState]:
        """Return the state of each camera that is, or was, captured.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the states of cameras"):
            found = list(self._collection.find())
        return {document["_id"]: _from_document(document) for document in found}

    def get(self, camera_id: str) -> CameraState | None:
        """Return the state of a camera, None when it was never captured.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the state of a camera"):
            found = self._collection.find_one({"_id": camera_id})
        return None if found is None else _from_document(found)

    def remove(self, camera_ids: Collection[str]) -> None:
        """Forget cameras that are no longer captured.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot remove the states of cameras"):
            self._collection.delete_many({"_id": {"$in": list(camera_ids)}})


def _to_document(state: CameraState) -> Document:
    return {
        "_id": state.camera_id,
        "state": state.state.value,
        "since": state.since,
        "seen_at": state.seen_at,
        "error": state.error,
        "fps": state.fps,
    }


def _from_document(document: Document) -> CameraState:
    return CameraState(
        camera_id=document["_id"],
        state=Capturing(document["state"]),
        since=document["since"],
        seen_at=document["seen_at"],
        error=document["error"],
        fps=document["fps"],
    )
