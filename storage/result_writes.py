"""Writes of results: which document each goes to, and what becomes of those that cannot be written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import bson
from bson.errors import BSONError
from pymongo import ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure

from contracts.errors import NotStorableError
from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from storage.client import Document, mongo_errors
from storage.source_logs import Logs

TIMES = ("captured_at", "detected_at", "received_at", "claimed_at")
"""Fields that are dates in MongoDB."""

MOST_DOCUMENT_BYTES = 16 * 1024 * 1024
"""MongoDB holds no larger documents."""

LATEST = datetime(9999, 1, 1, tzinfo=timezone.utc)
"""No document expires later: Python knows no year 10000."""

_DUPLICATE_KEY = 11000
_UNFIT = (22, 10334)
"""Codes of errors that a document raises for all that are sent with it: damaged, too large."""

_STATE_OF_THE_SERVER = frozenset(
    {6, 7, 13, 18, 24, 46, 50, 64, 89, 91, 112, 134, 189, 262, 391, 8000, 9001}
    | {10058, 10107, 11600, 11601, 11602, 13435, 13436, 14031}
)
"""Codes of errors that say nothing of the document: not the primary, no rights, no room, a time that ran out."""


@dataclass(frozen=True)
class Expiry:
    """How many days results are kept: for some cameras, and for all others."""

    default_days: float
    cameras: Mapping[str, float] = field(default_factory=dict)

    def of(self, record: FacesRecord) -> datetime:
        """Return when the result of a frame expires."""
        days = self.cameras.get(record.camera_id, self.default_days)
        try:
            return min(record.detected_at + timedelta(days=days), LATEST)
        except OverflowError:
            return LATEST


@dataclass
class Written:
    """What became of a batch.

    Attributes:
        stored: how many documents were written.
        blocked: records that were not written, as the result of another log is in their place.
        refused: records that MongoDB never takes, each with the reason.
    """

    stored: int = 0
    blocked: list[FacesRecord] = field(default_factory=list)
    refused: list[tuple[FacesRecord, NotStorableError]] = field(default_factory=list)


def aside_key(source: SourceOffset, log_id: str) -> str:
    """Return the `_id` of a result whose log is no longer its topic's."""
    return f"{source}@{log_id}"


def write_results(
    collection: "Collection[Document]", records: Iterable[FacesRecord], logs: Logs, expiry: Expiry
) -> Written:
    """Write each record to its document, as `Results.replace_many` says.

    Raises:
        UnavailableError: MongoDB did not take all of them.
    """
    writes: dict[str, tuple[FacesRecord, Document]] = {}
    for record in records:
        key = _key(record, logs)
        if record.status is Status.OK or key not in writes:
            writes[key] = (record, _to_document(key, record, logs, expiry))
    written = Written()
    with mongo_errors("cannot store results"):
        try:
            _write(collection, list(writes.values()), logs, written)
        except (BSONError, OperationFailure, OverflowError, UnicodeError) as error:  # whose fault it is, is not said
            if isinstance(error, OperationFailure) and error.code not in _UNFIT:
                raise
            _write(collection, _without_unfit(writes.values(), written), logs, written)
    return written


def _write(
    collection: "Collection[Document]", chosen: Sequence[tuple[FacesRecord, Document]], logs: Logs, written: Written
) -> None:
    if not chosen:
        return
    failed = 0
    try:
        collection.bulk_write([_write_of(record, document, logs) for record, document in chosen], ordered=False)
    except BulkWriteError as error:
        if error.details.get("writeConcernErrors"):
            raise
        for one in error.details["writeErrors"]:
            record, _ = chosen[one["index"]]
            if one["code"] == _DUPLICATE_KEY:
                written.blocked.append(record)
            elif one["code"] in _STATE_OF_THE_SERVER:
                raise
            else:
                code, message = one["code"], one["errmsg"]
                written.refused.append((record, NotStorableError(f"MongoDB refuses it: {message} ({code})")))
            failed += 1
    written.stored += len(chosen) - failed


def _without_unfit(
    chosen: Iterable[tuple[FacesRecord, Document]], written: Written
) -> list[tuple[FacesRecord, Document]]:
    """Return what can be written as BSON, and note the rest."""
    fit = []
    for record, document in chosen:
        try:
            size = len(bson.encode(document))
        except (BSONError, OverflowError, UnicodeError) as error:
            reason = f"it cannot be written as BSON: {type(error).__name__}: {error}"
            written.refused.append((record, NotStorableError(reason)))
            continue
        if size > MOST_DOCUMENT_BYTES:
            written.refused.append((record, NotStorableError(f"{size} bytes are more than a document holds")))
        else:
            fit.append((record, document))
    return fit


def _write_of(record: FacesRecord, document: Document, logs: Logs) -> "ReplaceOne[Document] | UpdateOne":
    """Return the write. Where another log's result is in the place it matches nothing, and fails as a duplicate."""
    place: Document = {"_id": document["_id"]}
    log = logs.get(record.source.topic)
    if log is not None and document["_id"] == str(record.source):
        place["log_id"] = {"$in": [log.log_id, None]} if log.first == log.log_id else log.log_id
    if record.status is Status.OK:
        return ReplaceOne(place, document, upsert=True)
    return UpdateOne(place, {"$setOnInsert": document}, upsert=True)


def _key(record: FacesRecord, logs: Logs) -> str:
    log = logs.get(record.source.topic)
    if log is None or record.log_id is None or record.log_id == log.log_id:
        return str(record.source)
    return aside_key(record.source, record.log_id)


def _to_document(key: str, record: FacesRecord, logs: Logs, expiry: Expiry) -> Document:
    document = {"_id": key, **record.to_dict()}
    document |= {name: getattr(record, name) for name in TIMES}
    log = logs.get(record.source.topic)
    if log is not None and record.log_id is None:
        document["log_id"] = log.log_id
    document["expires_at"] = expiry.of(record)
    return document
