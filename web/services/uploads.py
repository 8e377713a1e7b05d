"""Uploads become jobs: several pictures, or one video. What is answered is durable by then."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import IO, Any

from contracts.errors import PictureError
from contracts.faces import FacesRecord
from contracts.times import EARLIEST, to_milliseconds, to_rfc3339
from detection.picture_headers import read_header
from settings import Settings
from storage.cameras import Cameras
from storage.jobs import Job, JobFile, Jobs, JobState
from web.errors import RequestError
from web.services.cursors import decode_place, encode_place
from web.services.pictures import sniff_content_type

PICTURES_AT_MOST = 1000
_HEAD_BYTES = 4096
_NAME_CHARS = 200
_ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Uploaded:
    """A file as it comes in: its name, for people, and its bytes, to be read once from the beginning."""

    name: str
    data: IO[bytes]


class Uploads:
    """Takes uploads in, and tells how their jobs go."""

    def __init__(self, settings: Settings, jobs: Jobs, cameras: Cameras) -> None:
        self._settings = settings
        self._jobs = jobs
        self._cameras = cameras

    def accept(
        self, files: list[Uploaded], camera_id: str | None, fps: float, captured_at: datetime | None = None
    ) -> dict[str, Any]:
        """Store files and make their job; return it. `captured_at` is when the first frame was taken, if given.

        Raises:
            RequestError: 400, there is none, too many, a video among others, or a time that cannot be right; 409, the
                camera is captured; 413, a picture is too large; 415, one is neither picture nor video.
            UnavailableError: MongoDB did not take all of it.
        """
        if not 1 <= len(files) <= PICTURES_AT_MOST:
            raise RequestError(400, f"an upload should hold 1 to {PICTURES_AT_MOST} files, holds {len(files)}")
        if captured_at is not None:
            _refuse_wrong_time(captured_at)
        if camera_id is not None:
            self._refuse_captured(camera_id)
        stored: list[JobFile] = []
        videos = 0
        try:
            for file in files:
                one, is_video = self._store(file)
                stored.append(one)
                videos += is_video
                if videos and len(files) > 1:
                    raise RequestError(400, "an upload should be one video, or pictures alone")
            now, job_id = to_milliseconds(datetime.now(timezone.utc)), uuid.uuid4().hex
            camera_id = camera_id or f"upload-{job_id[:12]}"
            job = Job(
                job_id=job_id,
                camera_id=camera_id,
                created_at=now,
                first_frame_id=self._jobs.next_frame_id(camera_id, int(now.timestamp() * 1000)),
                files=tuple(stored),
                is_video=bool(videos),
                fps=fps,
                expected=None if videos else len(stored),
                captured_at=captured_at,
            )
            self._jobs.add(job)
        except BaseException:
            self._jobs.delete_files(tuple(stored))
            raise
        return self.describe(job)

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            RequestError: 404, there is none.
            UnavailableError: MongoDB does not answer.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise RequestError(404, f"there is no job {job_id!r:.60}")
        return job

    def page(self, limit: int, cursor: str | None) -> tuple[list[Job], str | None]:
        """Return up to `limit` jobs, the newest first, and the cursor of the next page; None after the last one.

        Raises:
            RequestError: 400, the cursor is none that an earlier page gave.
            UnavailableError: MongoDB does not answer.
        """
        found = self._jobs.newest(limit + 1, None if cursor is None else decode_place(cursor))
        items = found[:limit]
        return items, encode_place(items[-1].created_at, items[-1].job_id) if len(found) > limit else None

    def cancel(self, job_id: str) -> Job:
        """End a job that has not ended; frames that are in the log already get their results.

        Raises:
            RequestError: 404, there is none; 409, it has ended.
            UnavailableError: MongoDB does not answer.
        """
        job = self.get(job_id)
        if not self._jobs.finish(job_id, JobState.CANCELLED, datetime.now(timezone.utc)):
            raise RequestError(409, f"the job has ended already: it is {self.get(job_id).state.value}", code="ended")
        if job.state is JobState.QUEUED:
            self._jobs.delete_files(job.files)
        return self.get(job_id)

    def results(self, job: Job) -> Iterator[tuple[str, FacesRecord]]:
        """Yield each result with the name of the file that it is of, in the order of the frames.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        for record in self._jobs.results(job):
            number = 0 if job.is_video else record.frame_id - job.first_frame_id
            yield job.files[number].name if number < len(job.files) else "", record

    def describe(self, job: Job) -> dict[str, Any]:
        """Return a job as JSON types, with how many frames have their results.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        done = self._jobs.count_results(job) if job.sent or job.state in _ENDED else 0
        expected = job.total or max(job.expected or 0, job.sent) or None
        progress = 1.0 if job.state is JobState.DONE else min(1.0, done / expected) if expected else 0.0
        return {
            "job_id": job.job_id,
            "camera_id": job.camera_id,
            "kind": "video" if job.is_video else "pictures",
            "state": job.state.value,
            "created_at": to_rfc3339(job.created_at),
            "captured_at": _rfc3339(job.first_at or job.captured_at),
            "finished_at": _rfc3339(job.finished_at),
            "error": job.error,
            "files": [{"name": file.name, "bytes": file.size} for file in job.files],
            "fps": job.fps if job.is_video else None,
            "frames": {"sent": job.sent, "done": done, "expected": expected},
            "progress": round(progress, 4),
            "url": f"/api/jobs/{job.job_id}",
            "results_url": f"/api/jobs/{job.job_id}/results",
        }

    def _refuse_captured(self, camera_id: str) -> None:
        camera = self._cameras.get(camera_id)
        if camera is not None and camera.source is not None and camera.source.enabled:
            raise RequestError(409, f"{camera_id!r:.80} is captured now: its frames and the upload's would mix")

    def _store(self, file: Uploaded) -> tuple[JobFile, bool]:
        """Check a file by its content and store it; return whether it is a video."""
        head = file.data.read(_HEAD_BYTES)
        name = "".join(one for one in file.name if one.isprintable())[:_NAME_CHARS] or "unnamed"
        if sniff_content_type(head) is not None:
            data = head + file.data.read(self._settings.max_picture_bytes + 1 - len(head))
            self._check_picture(name, data)
            return self._jobs.store_file(name, Rejoined(data, None)), False
        if not looks_like_video(head):
            known = "JPEG, PNG, WebP, BMP; MP4, MOV, MKV, WebM, AVI, MPEG, FLV, ASF, Ogg"
            raise RequestError(415, f"{name} is none of {known}")
        return self._jobs.store_file(name, Rejoined(head, file.data)), True

    def _check_picture(self, name: str, data: bytes) -> None:
        if len(data) > self._settings.max_picture_bytes:
            limit = self._settings.max_picture_bytes
            raise RequestError(413, f"{name} has more than the {limit} bytes that are accepted")
        try:
            header = read_header(data)
        except PictureError as error:
            raise RequestError(415, f"{name}: {error}") from error
        if header.width * header.height > self._settings.max_picture_pixels:
            limit = self._settings.max_picture_pixels
            raise RequestError(413, f"{name} has {header.width} x {header.height} pixels; {limit} are accepted")


def _refuse_wrong_time(captured_at: datetime) -> None:
    if captured_at > datetime.now(timezone.utc):
        raise RequestError(400, f"captured_at is in the future: {to_rfc3339(captured_at)}")
    if captured_at < EARLIEST:
        raise RequestError(400, f"captured_at is before {EARLIEST.year}: {to_rfc3339(captured_at)}")


def _rfc3339(at: datetime | None) -> str | None:
    return None if at is None else to_rfc3339(at)


class Rejoined:
    """What was read of a file, and the rest, as one file."""

    def __init__(self, head: bytes, rest: IO[bytes] | None) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end."""
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
            return part
        return b"" if self._rest is None else self._rest.read(size)


def looks_like_video(head: bytes) -> bool:
    """Whether a file begins as one of the containers that are read; playlists and lists of files do not."""
    boxes = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
    return (
        head[4:8] in boxes
        or head.startswith((b"\x1a\x45\xdf\xa3", b"FLV\x01", b"OggS", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"))
        or head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or (len(head) > 376 and head[0] == head[188] == head[376] == 0x47)
    )
