"""Collection `checkpoints`: what the analytics know of a camera, as of a place in the log, with what is to be told.

State, offset and outputs are one document, so that a kill finds all of them or none. A version is written once: of two
processes that believe to own a camera, one is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pymongo import InsertOne, MongoClient, ReplaceOne

from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.cursors import COLLECTION
from storage.retention import DAY_S, ensure_retention, write_once


@dataclass(frozen=True)
class Checkpoint:
    """The state of one camera on one partition.

    Attributes:
        partition: of `Faces`.
        camera_id: the camera.
        version: counts from 1.
        offset: in `Faces`, of the first record that the state does not hold. Of source topics that `taken` names, it
            may hold less.
        state: the camera's state.
        outputs: what is to be delivered.
        taken: for each source topic, the id of its log, if known, and the first source offset that the state does not
            hold; None in a checkpoint that holds everything below `offset`.
    """

    partition: int
    camera_id: str
    version: int
    offset: int
    state: bytes
    outputs: bytes
    taken: tuple[tuple[str, str | None, int], ...] | None = None

    @property
    def key(self) -> str:
        """The document's `_id`."""
        return f"analytics/{self.partition}/{self.camera_id}"


class Checkpoints:
    """The repository of checkpoints. `writer` tells the processes apart."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings, writer: str) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._retention_s = int(settings.retention_days * DAY_S)
        self._writer = writer

    def ensure_indexes(self) -> None:
        """Make the indexes; a camera that sends nothing for the retention is forgotten.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_index("partition", name="partition", sparse=True)
        ensure_retention(self._collection, "updated_at", self._retention_s)

    def of_partition(self, partition: int) -> list[Checkpoint]:
        """Return the checkpoints of all cameras of a partition.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read checkpoints"):
            found = list(self._collection.find({"partition": partition}).sort("_id", 1))
        return [
            Checkpoint(
                one["partition"],
                one["camera_id"],
                one["version"],
                one["offset"],
                one["state"],
                one["outputs"],
                _taken(one.get("taken")),
            )
            for one in found
        ]

    def write(self, checkpoints: Sequence[Checkpoint]) -> set[str]:
        """Write each checkpoint over the version before it; return the keys of those that another process was ahead of.

        Raises:
            UnavailableError: MongoDB did not take all of them; to write them again is safe.
        """
        writes: list[InsertOne[Document] | ReplaceOne[Document]] = []
        for one in checkpoints:
            document = {**vars(one), "writer": self._writer, "updated_at": datetime.now(timezone.utc)}
            if one.version == 1:
                writes.append(InsertOne({"_id": one.key, **document}))
            else:
                writes.append(ReplaceOne({"_id": one.key, "version": one.version - 1}, document))
        with mongo_errors("cannot write checkpoints"):
            write_once(self._collection, writes)
            ours = {"_id": {"$in": [one.key for one in checkpoints]}, "writer": self._writer}
            written = {one["_id"]: one["version"] for one in self._collection.find(ours, {"version": 1})}
        return {one.key for one in checkpoints if written.get(one.key) != one.version}


def _taken(stored: Any) -> tuple[tuple[str, str | None, int], ...] | None:
    return None if stored is None else tuple((topic, log_id, offset) for topic, log_id, offset in stored)
