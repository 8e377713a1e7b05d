"""Collection `venues`: what each camera has counted into a venue, absolutely, so that a repeat adds nothing."""

from collections.abc import Iterable

from pymongo import MongoClient, ReplaceOne

from contracts.occupancy import VenuePart
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.retention import write_once

COLLECTION = "venues"


class Venues:
    """The repository of what cameras contribute to venues."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def put(self, parts: Iterable[tuple[VenuePart, int]]) -> None:
        """Replace contributions. Each comes with a version: an older one changes nothing.

        Raises:
            UnavailableError: MongoDB did not take all of them; to put them again is safe.
        """
        writes = [
            ReplaceOne(
                {"_id": f"{part.venue}/{part.camera_id}", "version": {"$lte": version}},
                {**vars(part), "version": version},
                upsert=True,
            )
            for part, version in parts
        ]
        with mongo_errors("cannot store a venue's counts"):
            write_once(self._collection, writes)

    def parts(self, venue: str) -> list[VenuePart]:
        """Return the contributions of all cameras to a venue.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a venue's counts"):
            found = list(self._collection.find({"venue": venue}, {"_id": 0, "version": 0}).sort("_id", 1))
        return [VenuePart(**document) for document in found]
