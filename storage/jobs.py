"""Collection `jobs` and the files of jobs: what was uploaded, and how far its frames are.

The files lie in GridFS, so that whoever works on a job reaches them, and an answer given means that they are durable.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import IO, Any, Protocol

from bson import ObjectId
from gridfs import GridFSBucket, NoFile
from pymongo import DESCENDING, MongoClient

from contracts.faces import FacesRecord
from contracts.offsets import SourceOffset
from settings import Settings
from storage.client import Document, database, mongo_errors
from storage.lists import ListPlace, behind
from storage.results import COLLECTION as RESULTS
from storage.results import from_document
from storage.retention import DAY_S, ensure_retention

COLLECTION = "jobs"
FRAMES_AT_MOST = 1_000_000
"""Frames of one job; their ids lie within so many from the first."""

_BUCKET = "uploads"
_CHUNK_BYTES = 1024 * 1024


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


class JobState(str, Enum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class JobFile:
    """One uploaded file."""

    file_id: str
    name: str
    size: int


@dataclass(frozen=True)
class Job:
    """One upload: several pictures, or one video.

    Attributes:
        first_frame_id: of its first frame; the others follow by one each, so that a repeat is the same frame.
        fps: frames a second that are taken from a video.
        sent: frames that are in the log.
        place: where the last of them is.
        expected: how many there will be, as far as the video says.
        total: how many there are, once all are sent.
        touched_at: when `sent` was written last.
        captured_at: when its first frame was taken, as the uploader says.
        first_at: the time of its first frame, once the first sender has begun; the others count from it.
        since: by partition of `frames`, where the log ended before its first frame was sent.
    """

    job_id: str
    camera_id: str
    created_at: datetime
    first_frame_id: int
    files: tuple[JobFile, ...]
    is_video: bool
    fps: float = 5.0
    state: JobState = JobState.QUEUED
    sent: int = 0
    place: SourceOffset | None = None
    expected: int | None = None
    total: int | None = None
    error: str | None = None
    touched_at: datetime | None = None
    finished_at: datetime | None = None
    captured_at: datetime | None = None
    first_at: datetime | None = None
    since: Mapping[str, int] | None = None


class Jobs:
    """The repository of jobs. A job is changed only while it has not ended, so that a cancelled one stays so."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._database = database(client, settings)
        self._collection = self._database[COLLECTION]
        self._results = self._database[RESULTS]
        self._files = GridFSBucket(self._database, bucket_name=_BUCKET, chunk_size_bytes=_CHUNK_BYTES)
        self._retention_s = int(settings.retention_days * DAY_S)

    def ensure_indexes(self) -> None:
        """Make the indexes: by time, by camera, and removal after the retention of results.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes of jobs"):
            self._collection.create_index([("camera_id", 1), ("first_frame_id", DESCENDING)], name="camera_frame")
            self._collection.create_index([("state", 1), ("created_at", 1)], name="state_time")
        ensure_retention(self._collection, "created_at", self._retention_s)

    def store_file(self, name: str, data: Readable) -> JobFile:
        """Write a file, piece by piece.

        Raises:
            UnavailableError: MongoDB did not take it; nothing of it is left.
        """
        file_id, size = ObjectId(), 0
        with mongo_errors("cannot store an upload"), self._files.open_upload_stream_with_id(file_id, name) as stream:
            while piece := data.read(_CHUNK_BYTES):
                stream.write(piece)
                size += len(piece)
        return JobFile(str(file_id), name, size)

    def copy_file(self, file_id: str, to: IO[bytes]) -> bool:
        """Copy a file; return whether there is one.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read an upload"):
            try:
                self._files.download_to_stream(ObjectId(file_id), to)
            except NoFile:
                return False
            return True

    def read_file(self, file_id: str) -> bytes | None:
        """Return a file's bytes, None when there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        data = io.BytesIO()
        return data.getvalue() if self.copy_file(file_id, data) else None

    def delete_files(self, files: tuple[JobFile, ...]) -> None:
        """Remove files; those that are gone already are no matter.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot remove an upload"):
            for file in files:
                with suppress(NoFile):
                    self._files.delete(ObjectId(file.file_id))

    def delete_leftovers(self, before: datetime) -> int:
        """Remove files from before this time that no open job needs, whole ones and parts; return how many.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        removed = 0
        with mongo_errors("cannot remove what is left of uploads"):
            chunks = self._database[f"{_BUCKET}.chunks"]
            for file_id in chunks.distinct("files_id", {"files_id": {"$lt": ObjectId.from_datetime(before)}}):
                if self._collection.find_one({"files.file_id": str(file_id), **_OPEN}) is None:
                    with suppress(NoFile):
                        self._files.delete(file_id)
                    chunks.delete_many({"files_id": file_id})
                    removed += 1
        return removed

    def add(self, job: Job) -> None:
        """Write a new job.

        Raises:
            UnavailableError: MongoDB did not take it.
        """
        with mongo_errors("cannot store a job"):
            self._collection.insert_one(_to_document(job))

    def next_frame_id(self, camera_id: str, at_least: int, *, begun_besides: str | None = None) -> int:
        """Return a first frame id for a job of this camera: `at_least`, or what lies behind the camera's last job.

        With `begun_besides`, the id of a job, only those of the others count that have begun.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query: Document = {"camera_id": camera_id}
        if begun_besides is not None:
            query |= {"_id": {"$ne": begun_besides}, "touched_at": {"$ne": None}}
        with mongo_errors("cannot read the jobs"):
            last = self._collection.find_one(query, sort=[("first_frame_id", DESCENDING)])
        if last is None:
            return at_least
        return max(at_least, int(last["first_frame_id"] + (last["total"] or FRAMES_AT_MOST)))

    def get(self, job_id: str) -> Job | None:
        """Return a job, None when there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a job"):
            found = self._collection.find_one({"_id": job_id})
        return None if found is None else _from_document(found)

    def newest(self, limit: int, after: ListPlace | None = None) -> list[Job]:
        """Return up to `limit` jobs, the newest first, those behind the one of this time and id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query = {} if after is None else behind("created_at", after)
        with mongo_errors("cannot read the jobs"):
            found = list(self._collection.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit))
        return [_from_document(document) for document in found]

    def open(self) -> list[Job]:
        """Return the jobs that have not ended, the oldest first.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the jobs"):
            found = list(self._collection.find(_OPEN).sort("created_at", 1))
        return [_from_document(document) for document in found]

    def change(self, job_id: str, **fields: Any) -> bool:
        """Set fields of a job that has not ended; return whether it has not.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        if isinstance(fields.get("place"), SourceOffset):
            fields["place"] = asdict(fields["place"])
        with mongo_errors("cannot change a job"):
            changed = self._collection.update_one({"_id": job_id, **_OPEN}, {"$set": fields})
        return changed.matched_count == 1

    def finish(self, job_id: str, state: JobState, now: datetime, error: str | None = None) -> bool:
        """End a job; return whether it had not ended before.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self.change(job_id, state=state.value, error=error, finished_at=now)

    def count_results(self, job: Job) -> int:
        """Return how many of the job's frames have a result.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot count results"):
            return int(self._results.count_documents(_results_of(job)))

    def results(self, job: Job) -> Iterator[FacesRecord]:
        """Yield the job's results in the order of its frames.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read results"):
            for document in self._results.find(_results_of(job)).sort([("captured_at", 1), ("_id", 1)]):
                yield from_document(document)


_OPEN: Document = {"state": {"$in": [JobState.QUEUED.value, JobState.RUNNING.value]}}


def _results_of(job: Job) -> Document:
    """Return the query of a job's results; the time is there for the index, as the ids alone say which they are."""
    frames = {"$gte": job.first_frame_id, "$lt": job.first_frame_id + (job.total or FRAMES_AT_MOST)}
    return {"camera_id": job.camera_id, "captured_at": {"$gte": job.first_at or job.created_at}, "frame_id": frames}


def _to_document(job: Job) -> Document:
    return {
        "_id": job.job_id,
        "camera_id": job.camera_id,
        "created_at": job.created_at,
        "first_frame_id": job.first_frame_id,
        "files": [{"file_id": file.file_id, "name": file.name, "size": file.size} for file in job.files],
        "is_video": job.is_video,
        "fps": job.fps,
        "state": job.state.value,
        "sent": job.sent,
        "place": None if job.place is None else asdict(job.place),
        "expected": job.expected,
        "total": job.total,
        "error": job.error,
        "touched_at": job.touched_at,
        "finished_at": job.finished_at,
        "captured_at": job.captured_at,
        "first_at": job.first_at,
        "since": job.since,
    }


def _from_document(document: Document) -> Job:
    fields = {name: value for name, value in document.items() if name != "_id"}
    place = fields["place"]
    return Job(
        **{
            **fields,
            "job_id": document["_id"],
            "files": tuple(JobFile(**file) for file in fields["files"]),
            "state": JobState(fields["state"]),
            "place": None if place is None else SourceOffset(**place),
        }
    )
