"""Collection `heatmaps`: where people were, for each minute, hour and day."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pymongo import IndexModel, MongoClient, ReplaceOne

from contracts.occupancy import SPANS_S, Heat
from contracts.times import from_epoch_ms
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.retention import ensure_retention, write_once

COLLECTION = "heatmaps"


class Heatmaps:
    """The repository of heatmaps."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._keep_days = {"minute": settings.occupancy_minutes_days, "hour": settings.occupancy_hours_days}

    def ensure_indexes(self) -> None:
        """Make the indexes.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_indexes([IndexModel([("camera_id", 1), ("span", 1), ("at_s", 1)], name="time")])
        ensure_retention(self._collection, "expires_at", 0)

    def put(self, heats: Iterable[tuple[Heat, int]]) -> None:
        """Replace heatmaps. Each comes with a version: an older one changes nothing.

        Raises:
            UnavailableError: MongoDB did not take all of them; to put them again is safe.
        """
        writes = []
        for heat, version in heats:
            key = f"{heat.camera_id}/{heat.span}/{heat.at_s}" + (f"/{heat.session}" if heat.session else "")
            document = {**heat.to_dict(), "version": version}
            if heat.span in self._keep_days:
                keep = timedelta(days=self._keep_days[heat.span])
                document["expires_at"] = from_epoch_ms(heat.at_s * 1000) + keep
            writes.append(ReplaceOne({"_id": key, "version": {"$lte": version}}, document, upsert=True))
        with mongo_errors("cannot store heatmaps"):
            write_once(self._collection, writes)

    def total(
        self, span: str, camera_id: str, start: datetime, end: datetime, half_life_s: float | None = None
    ) -> dict[int, float]:
        """Return the cells of a camera's spans of one length that begin in [start, end), added up, in milliseconds.

        With `half_life_s` what was so long before `end` counts half, twice as long before a quarter.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        bounds = {"$gte": start.timestamp(), "$lt": end.timestamp()}
        query = {"camera_id": camera_id, "span": span, "at_s": bounds}
        cells: dict[int, float] = {}
        with mongo_errors("cannot read heatmaps"):
            for document in self._collection.find(query, {"cells": 1, "at_s": 1}):
                age_s = max(0.0, end.timestamp() - document["at_s"] - SPANS_S[span] / 2)
                weight = 1.0 if half_life_s is None else 0.5 ** (age_s / half_life_s)
                for cell, held in document["cells"]:
                    cells[cell] = cells.get(cell, 0) + weight * held
        return cells
