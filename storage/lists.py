"""Lists, newest first and of equal times the greatest id first, and where a page of one begins."""

from dataclasses import dataclass
from datetime import datetime

from storage.client import Document

ListPlace = tuple[datetime, str]
"""An entry's place in such a list: its time and its id."""


def behind(at_field: str, place: ListPlace) -> Document:
    """Return the condition on what comes behind this place, where the time has this name."""
    at, key = place
    return {at_field: {"$lte": at}, "$or": [{at_field: {"$lt": at}}, {"_id": {"$lt": key}}]}


@dataclass(frozen=True)
class ListFilter:
    """Which entries of a list are wanted: of a camera, a kind (or rule), from a time on and before another.

    `after` names the entry that the list goes on after, by its time and id.
    """

    camera_id: str | None = None
    kind: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: ListPlace | None = None

    def query(self, kind_field: str, at_field: str) -> Document:
        """Return the condition on documents whose kind and time have these names."""
        parts: list[Document] = []
        if self.camera_id is not None:
            parts.append({"camera_id": self.camera_id})
        if self.kind is not None:
            parts.append({kind_field: self.kind})
        if self.start is not None:
            parts.append({at_field: {"$gte": self.start}})
        if self.end is not None:
            parts.append({at_field: {"$lt": self.end}})
        if self.after is not None:
            parts.append(behind(at_field, self.after))
        return {"$and": parts} if parts else {}
