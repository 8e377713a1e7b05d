"""Collection `checkpoints`: how far each client of `/receive` has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "checkpoints"
Place = tuple[str, int]


@dataclass(frozen=True)
class Cursor:
    """Where a client goes on reading.

    Attributes:
        client: its name.
        positions: an offset for each topic and partition.
        version: counts its calls.
        logs: the id of each topic that the offsets refer to.
    """

    client: str
    positions: Mapping[Place, int]
    version: int = 0
    logs: Mapping[str, str] = field(default_factory=dict)


class Cursors:
    """The repository of cursors. A cursor moves by compare and set, so that of several calls of one client, even to
    different processes, each message goes to one."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._forget_after_s = int(settings.faces_retention_hours * 3600)

    def ensure_indexes(self) -> None:
        """Make the index that forgets a client whose messages have all passed their retention.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_index("called_at", name="forget", expireAfterSeconds=self._forget_after_s)

    def get(self, client: str) -> Cursor | None:
        """Return a client's cursor, None for a client that was never here.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a cursor"):
            found = self._collection.find_one({"_id": _id(client)})
        if found is None:
            return None
        positions = {(entry["topic"], entry["partition"]): entry["offset"] for entry in found["positions"]}
        logs = {entry["topic"]: entry["log_id"] for entry in found.get("logs", ())}
        return Cursor(client, positions, found["version"], logs)

    def move(self, cursor: Cursor, positions: Mapping[Place, int], logs: Mapping[str, str], now: datetime) -> bool:
        """Set the client's positions in these logs, if nobody has moved them since `cursor` was read; False if so.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        document = {
            "positions": [
                {"topic": topic, "partition": partition, "offset": offset}
                for (topic, partition), offset in sorted(positions.items())
            ],
            "logs": [{"topic": topic, "log_id": log_id} for topic, log_id in sorted(logs.items())],
            "version": cursor.version + 1,
            "called_at": now,
        }
        with mongo_errors("cannot move a cursor"):
            if cursor.version == 0:
                try:
                    self._collection.insert_one({"_id": _id(cursor.client), **document})
                except DuplicateKeyError:
                    return False
                return True
            moved = self._collection.update_one(
                {"_id": _id(cursor.client), "version": cursor.version}, {"$set": document}
            )
            return moved.matched_count == 1


def _id(client: str) -> str:
    return f"receive/{client}"
