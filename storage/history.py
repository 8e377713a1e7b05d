"""The results of one camera over a period, read from `DetectedFaces` in the order of their time."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from contracts.faces import FacesRecord
from settings import Settings
from storage.client import Connection, Document, database, mongo_errors
from storage.results import COLLECTION, from_document

_BATCH = 1000


class History:
    """Reads what was stored of one camera in [start, end)."""

    def __init__(self, client: Connection, settings: Settings, camera_id: str, start: datetime, end: datetime) -> None:
        self._collection = database(client, settings)[COLLECTION]
        self._query: Document = {"camera_id": camera_id, "captured_at": {"$gte": start, "$lt": end}}

    def count(self) -> int:
        """Return how many results there are.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot count results"):
            return self._collection.count_documents(self._query)

    def results(self) -> Iterator[FacesRecord]:
        """Return the results, the first captured first; of those captured at the same time, the first in the log.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read results"):
            found = self._collection.find(self._query, batch_size=_BATCH).sort([("captured_at", 1), ("_id", 1)])
            for _, at_once in groupby(map(from_document, found), key=lambda one: one.captured_at):
                yield from sorted(at_once, key=lambda one: one.source)
