"""Documents that go by themselves, after a time that may change with the settings."""

from collections.abc import Sequence

from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.operations import InsertOne, ReplaceOne, UpdateOne

from storage.client import Document, mongo_errors

DAY_S = 24 * 3600
_DUPLICATE_KEY = 11000


def ensure_retention(collection: "Collection[Document]", field: str, seconds: int) -> None:
    """Make the index that removes documents `seconds` after the time in `field`, or change its time.

    Raises:
        UnavailableError: MongoDB does not answer.
    """
    with mongo_errors("cannot make the indexes"):
        try:
            collection.create_index(field, name="retention", expireAfterSeconds=seconds)
        except OperationFailure:  # it exists with another time: the setting was changed
            changed = {"name": "retention", "expireAfterSeconds": seconds}
            collection.database.command("collMod", collection.name, index=changed)


def write_once(
    collection: "Collection[Document]",
    writes: "Sequence[InsertOne[Document] | ReplaceOne[Document] | UpdateOne]",
) -> None:
    """Make all the writes; those refused because the document is there already, or a newer one, count as made.

    Raises:
        PyMongoError: MongoDB did not take all of them.
    """
    if not writes:
        return
    try:
        collection.bulk_write(list(writes), ordered=False)
    except BulkWriteError as error:
        if any(one["code"] != _DUPLICATE_KEY for one in error.details["writeErrors"]):
            raise
