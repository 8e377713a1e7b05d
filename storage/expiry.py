"""When results expire: each by its camera's retention, and what is stored already too when that is changed.

What has been applied to the stored results is noted in `checkpoints`, so that a walk that was cut short begins again.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pymongo import MongoClient

from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.cursors import COLLECTION as CHECKPOINTS
from storage.result_writes import LATEST, Expiry
from storage.results import BY_CAMERA, COLLECTION

_AT_ONCE = 2000
_DAY_MS = 24 * 3600 * 1000
_DEFAULT = "expiry"


@dataclass(frozen=True)
class ExpiryChange:
    """A retention that stored results do not have yet: of a camera, or of all cameras without their own (None)."""

    camera_id: str | None
    days: float
    is_own: bool = True
    """False where a camera has no retention of its own any more."""


class StoredExpiry:
    """Brings the stored results to the retention that their cameras have now."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        base = database(client, settings)
        self._results = base[COLLECTION]
        self._notes = base[CHECKPOINTS]

    def changes(self, expiry: Expiry) -> list[ExpiryChange]:
        """Return what has to be applied so that every stored result expires as `expiry` says.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read what retention was applied"):
            default = self._notes.find_one({"_id": _DEFAULT})
            applied = {one["camera"]: one["days"] for one in self._notes.find({"_id": _NOTES_OF_CAMERAS})}
        found = [] if default and default["days"] == expiry.default_days else [ExpiryChange(None, expiry.default_days)]
        found += [
            ExpiryChange(name, days) for name, days in sorted(expiry.cameras.items()) if applied.get(name) != days
        ]
        gone = sorted(applied.keys() - expiry.cameras.keys())
        return found + [ExpiryChange(name, expiry.default_days, is_own=False) for name in gone]

    def apply(self, change: ExpiryChange, expiry: Expiry, stop: threading.Event) -> int | None:
        """Change when the stored results expire, and note it; return how many were changed.

        Args:
            change: what to apply.
            expiry: the retention of all cameras; those with their own are left out of a change of the default.
            stop: when it is set, None is returned, and nothing noted.

        Raises:
            UnavailableError: MongoDB does not answer; to apply it again is safe.
        """
        when: Document = {"$min": [{"$add": ["$detected_at", round(change.days * _DAY_MS)]}, LATEST]}
        changed = 0
        with mongo_errors("cannot change when results expire"):
            for ids in _chunks(self._ids(change, expiry)):
                if stop.is_set():
                    return None
                chosen = {"_id": {"$in": ids}, "detected_at": {"$type": "date"}}
                changed += self._results.update_many(chosen, [{"$set": {"expires_at": when}}]).modified_count
            self._note(change)
        return changed

    def _ids(self, change: ExpiryChange, expiry: Expiry) -> Iterator[str]:
        if change.camera_id is None:
            found = self._results.find(
                {"camera_id": {"$not": {"$in": [*expiry.cameras]}}}, {"_id": 1}, batch_size=_AT_ONCE
            )
        else:
            found = self._results.find({"camera_id": change.camera_id}, {"_id": 1}, batch_size=_AT_ONCE).hint(BY_CAMERA)
        for one in found:
            yield one["_id"]

    def _note(self, change: ExpiryChange) -> None:
        if change.camera_id is None:
            self._notes.replace_one({"_id": _DEFAULT}, {"days": change.days}, upsert=True)
        elif change.is_own:
            note = {"camera": change.camera_id, "days": change.days}
            self._notes.replace_one({"_id": f"{_DEFAULT}/{change.camera_id}"}, note, upsert=True)
        else:
            self._notes.delete_one({"_id": f"{_DEFAULT}/{change.camera_id}"})


_NOTES_OF_CAMERAS: Document = {"$gte": f"{_DEFAULT}/", "$lt": f"{_DEFAULT}0"}  # 0 comes after /


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while chunk := list(islice(left, _AT_ONCE)):
        yield chunk
