"""Collection `venues`: what each camera has counted into a venue, absolutely, so that a repeat adds nothing.

A reset notes in each document what had been counted, in one step with reading it: no crossing is lost or counted twice.
"""

from collections.abc import Iterable
from datetime import datetime

from pymongo import MongoClient, UpdateOne

from contracts.occupancy import VenuePart, VenueTally
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.retention import write_once

COLLECTION = "venues"
_PART = ("venue", "camera_id", "entered", "left", "at_s")


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
            UpdateOne(
                {"_id": f"{part.venue}/{part.camera_id}", "version": {"$lte": version}},
                {"$set": {**vars(part), "version": version}},
                upsert=True,
            )
            for part, version in parts
        ]
        with mongo_errors("cannot store a venue's counts"):
            write_once(self._collection, writes)

    def tallies(self, venue: str) -> list[VenueTally]:
        """Return the contributions of all cameras to a venue.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a venue's counts"):
            found = list(self._collection.find({"venue": venue}).sort("_id", 1))
        return [
            VenueTally(
                VenuePart(*(one[name] for name in _PART)),
                VenuePart(*(one["base"][name] for name in _PART)) if "base" in one else None,
                int(one["reset_at"].timestamp()) if "base" in one else 0,
            )
            for one in found
        ]

    def reset(self, venue: str, at: datetime) -> bool:
        """Let what is counted from now on be all that counts; return False when nothing ever was.

        Raises:
            UnavailableError: MongoDB did not note it for all cameras; to reset again is safe.
        """
        base = {name: f"${name}" for name in _PART}
        with mongo_errors("cannot reset a venue's counts"):
            found = self._collection.update_many({"venue": venue}, [{"$set": {"base": base, "reset_at": at}}])
        return found.matched_count > 0
