"""Collection `camera_clocks`: how far each camera's clock is from the log's, as the analytics measured it."""

from collections.abc import Iterable

from pymongo import MongoClient, ReplaceOne

from contracts.clocks import CameraClock
from settings import Settings
from storage.client import Document, database, mongo_errors

COLLECTION = "camera_clocks"


class CameraClocks:
    """The repository of measured clocks. `_id` is the camera's id."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def put(self, clocks: Iterable[CameraClock]) -> None:
        """Write what was measured, the newest of each camera last.

        Raises:
            UnavailableError: MongoDB did not take all of it; to put it again is safe.
        """
        newest = {clock.camera_id: clock for clock in clocks}
        writes: list[ReplaceOne[Document]] = [
            ReplaceOne({"_id": name}, {"_id": name, "skew_s": one.skew_s, "measured_at": one.measured_at}, upsert=True)
            for name, one in newest.items()
        ]
        if not writes:
            return
        with mongo_errors("cannot store the clocks of cameras"):
            self._collection.bulk_write(writes, ordered=False)

    def all(self) -> dict[str, CameraClock]:
        """Return what was measured of each camera.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the clocks of cameras"):
            found = list(self._collection.find())
        return {one["_id"]: CameraClock(one["_id"], one["skew_s"], one["measured_at"]) for one in found}
