"""Collection `DetectedFaces`: one document a frame."""

from collections.abc import Iterable

from pymongo import DESCENDING, IndexModel, MongoClient, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, DocumentTooLarge

from contracts.errors import ContractError
from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from contracts.times import to_rfc3339
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.lists import ListPlace, behind
from storage.retention import DAY_S, ensure_retention

COLLECTION = "DetectedFaces"
_NEWEST_FIRST = [("captured_at", DESCENDING), ("_id", DESCENDING)]
_TIMES = ("captured_at", "detected_at")
_BAD_DOCUMENT = (2, 22, 121, 10334, 17419, 17420)
"""MongoDB's codes for a document that it will never take: a bad value, invalid BSON, refused by a rule, too large."""


class Results:
    """The repository of results. `_id` is `topic/partition/offset` of the source frame, so that a repeat replaces."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._database = database(client, settings)
        self._collection = self._database[COLLECTION]
        self._retention_s = int(settings.retention_days * DAY_S)

    def ensure_indexes(self) -> None:
        """Make the indexes: by camera and time, newest first, and removal after the retention.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes"):
            self._collection.create_indexes(
                [
                    IndexModel([("camera_id", 1), *_NEWEST_FIRST], name="camera_time_id"),
                    IndexModel([("camera_id", 1), ("received_at", DESCENDING), *_NEWEST_FIRST], name="camera_received"),
                    IndexModel(_NEWEST_FIRST, name="time_id"),
                ]
            )
        ensure_retention(self._collection, "detected_at", self._retention_s)

    def replace_many(self, records: Iterable[FacesRecord]) -> int:
        """Write each record under its source's id, and return how many ids that are.

        A repeat replaces, but what was once detected is not taken back by a later `skipped` or `failed`.

        Raises:
            ContractError: one of them is a document that MongoDB cannot hold; others may be written.
            UnavailableError: MongoDB did not take all of them; to write them again is safe.
        """
        writes: dict[str, ReplaceOne[Document] | UpdateOne] = {}
        for record in records:
            key, document = str(record.source), _to_document(record)
            if record.status is Status.OK:
                writes[key] = ReplaceOne({"_id": key}, document, upsert=True)
            elif key not in writes:
                writes[key] = UpdateOne({"_id": key}, {"$setOnInsert": document}, upsert=True)
        if not writes:
            return 0
        with mongo_errors("cannot store results"):
            try:
                self._collection.bulk_write(list(writes.values()), ordered=False)
            except BulkWriteError as error:
                refused = [one for one in error.details["writeErrors"] if one["code"] in _BAD_DOCUMENT]
                if not refused:
                    raise
                raise ContractError(f"MongoDB refuses the document: {refused[0]['errmsg'][:300]}") from error
            except DocumentTooLarge as error:
                raise ContractError(f"MongoDB cannot hold the document: {error}") from error
        return len(writes)

    def get(self, source: SourceOffset) -> FacesRecord | None:
        """Return the result of one frame, None while there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a result"):
            found = self._collection.find_one({"_id": str(source)})
        return None if found is None else from_document(found)

    def newest(self, limit: int, camera_id: str | None = None, after: ListPlace | None = None) -> list[FacesRecord]:
        """Return up to `limit` results, the last captured first, of one camera or of all.

        `after` names the result that the list goes on after, by its time and id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query: Document = {} if camera_id is None else {"camera_id": camera_id}
        if after is not None:
            query |= behind("captured_at", after)
        with mongo_errors("cannot read results"):
            found = list(self._collection.find(query).sort(_NEWEST_FIRST).limit(limit))
        return [from_document(document) for document in found]

    def count(self) -> int:
        """Return how many results there are.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot count results"):
            return self._collection.estimated_document_count()


def _to_document(record: FacesRecord) -> Document:
    document = record.to_dict()
    document["captured_at"], document["detected_at"] = record.captured_at, record.detected_at
    return {"_id": str(record.source), **document}


def from_document(document: Document) -> FacesRecord:
    """Build a record from its document."""
    return FacesRecord.from_dict({**document, **{name: to_rfc3339(document[name]) for name in _TIMES}})
