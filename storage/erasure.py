"""Deleting what MongoDB holds of a camera, of a period, or of both: how much there is, and then all of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import OperationFailure

from contracts.times import to_rfc3339
from settings import Settings
from storage.client import Connection, Document, database, mongo_errors
from storage.jobs import COLLECTION as JOBS
from storage.jobs import JobFile, Jobs
from storage.occupancy import SECONDS

_SPAN_S = {"minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True)
class Selection:
    """What is to go: of one camera or of all, from `start` on and before `end`; None is no limit.

    Times are those of the frames. What was added up over a minute, an hour or a day goes as a whole when the period
    reaches into it.
    """

    camera_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.camera_id is None and self.start is None and self.end is None:
            raise ValueError("expected a camera or a period, got neither: that would be everything")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"expected a period that begins before it ends, got {self.start} to {self.end}")

    @property
    def is_whole(self) -> bool:
        """Whether it is not limited in time."""
        return self.start is None and self.end is None

    def by_time(self, field: str, camera_field: str = "camera_id") -> Document:
        """Return the condition on documents with their time in `field`."""
        return self._of_camera(camera_field) | self._within(field, self.start, self.end)

    def by_text(self, field: str, camera_field: str) -> Document:
        """Return the condition on documents with their time in `field` as RFC 3339."""
        start, end = (None if at is None else to_rfc3339(at) for at in (self.start, self.end))
        return self._of_camera(camera_field) | self._within(field, start, end)

    def by_span(self) -> Document:
        """Return the condition on minutes, hours and days: those that the period reaches into."""
        spans = [
            {"span": span}
            | self._within(
                "at_s",
                None if self.start is None else self.start.timestamp() - length_s + 1e-3,
                None if self.end is None else self.end.timestamp(),
            )
            for span, length_s in _SPAN_S.items()
        ]
        return self._of_camera("camera_id") | {"$or": spans}

    def by_camera(self, field: str) -> Document | None:
        """Return the condition on documents that have no time: those of the camera, when all of it is to go."""
        return self._of_camera(field) if self.is_whole else None

    def _of_camera(self, field: str) -> Document:
        return {} if self.camera_id is None else {field: self.camera_id}

    @staticmethod
    def _within(field: str, start: object, end: object) -> Document:
        bounds = {} if start is None else {"$gte": start}
        bounds |= {} if end is None else {"$lt": end}
        return {field: bounds} if bounds else {}


_ANY: Document = {"$exists": True}

_CONDITIONS: Mapping[str, Callable[[Selection], Document | None]] = {
    "DetectedFaces": lambda selection: selection.by_time("captured_at"),
    "events": lambda selection: selection.by_time("at"),
    "alerts": lambda selection: selection.by_time("raised_at"),
    "deliveries": lambda selection: selection.by_text("alert.raised_at", "alert.camera_id"),
    "snapshots": lambda selection: selection.by_time("at"),
    SECONDS: lambda selection: selection.by_time("at", "of.camera_id"),
    "occupancy_rollups": Selection.by_span,
    "heatmaps": Selection.by_span,
    "venues": lambda selection: selection.by_camera("camera_id"),
    "checkpoints": lambda selection: selection.by_time("updated_at") | {"camera_id": selection.camera_id or _ANY},
    "camera_states": lambda selection: selection.by_camera("_id"),
    "camera_clocks": lambda selection: selection.by_camera("_id"),
    JOBS: lambda selection: selection.by_time("created_at"),
}

COVERED = frozenset(_CONDITIONS)
"""The collections from which something is deleted."""

KEPT = frozenset(
    {
        *("cameras", "users", "api_keys", "audit", "sessions", "sign_in_links", "leases", "camera_tests"),
        *("notifications", "dead_retries"),
    }
)
"""Those that hold nothing of what cameras saw. A camera's settings are deleted on its page."""


class Erasure:
    """Counts and deletes. What comes in meanwhile, or later, is stored as ever: switch the camera off first."""

    def __init__(self, client: Connection, settings: Settings) -> None:
        self._database = database(client, settings)
        self._jobs = Jobs(client, settings)

    def count(self, selection: Selection) -> dict[str, int]:
        """Return how many documents there are, by collection; those without any are left out.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot count what is to be deleted"):
            counts = {
                name: self._database[name].count_documents(condition)
                for name, condition in _conditions(selection).items()
            }
        return {name: count for name, count in counts.items() if count}

    def delete(self, selection: Selection) -> dict[str, int]:
        """Delete it, and return how many documents went, by collection. To delete again is safe.

        Raises:
            UnavailableError: MongoDB did not delete all of it.
        """
        gone: dict[str, int] = {}
        for name, condition in _conditions(selection).items():
            if name == JOBS:
                self._delete_files(condition)
            with mongo_errors(f"{name}: cannot delete"):
                gone[name] = (
                    self._delete_seconds(condition)
                    if name == SECONDS
                    else self._database[name].delete_many(condition).deleted_count
                )
        return {name: count for name, count in gone.items() if count}

    def _delete_files(self, condition: Document) -> None:
        with mongo_errors("cannot read the jobs"):
            found = list(self._database[JOBS].find(condition, {"files": 1}))
        for job in found:
            self._jobs.delete_files(tuple(JobFile(**file) for file in job["files"]))

    def _delete_seconds(self, condition: Document) -> int:
        """Delete from the time series. MongoDB before 7 deletes whole series only: then the rest is written anew.

        A kill in between takes seconds of the camera along that were to stay; minutes and hours are not touched by it.
        """
        seconds = self._database[SECONDS]
        count = seconds.count_documents(condition)
        try:
            seconds.delete_many(condition)
        except OperationFailure:
            for camera_id in seconds.distinct("of.camera_id", condition):
                whole = {"of.camera_id": camera_id}
                others = list(seconds.find({"$and": [whole, {"$nor": [condition]}]}))
                seconds.delete_many(whole)
                if others:
                    seconds.insert_many(others, ordered=False)
        return count


def _conditions(selection: Selection) -> dict[str, Document]:
    found = {name: condition(selection) for name, condition in _CONDITIONS.items()}
    return {name: condition for name, condition in found.items() if condition is not None}
