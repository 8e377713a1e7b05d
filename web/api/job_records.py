"""Jobs as the HTTP interface describes them."""

from typing import Annotated, Literal

from pydantic import Field

from web.api.records import Faces, Record, Time


class JobFileRecord(Record):
    """An uploaded file."""

    name: str
    bytes: int


class JobFrames(Record):
    """Frames that are in the log, that have results, and that there will be, as far as is known."""

    sent: int
    done: int
    expected: int | None


class JobRecord(Record):
    """An upload and how far it is. `progress` goes from 0 to 1."""

    job_id: str
    camera_id: str
    kind: Literal["pictures", "video"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    created_at: Time
    captured_at: Annotated[Time | None, Field(description="Time of its first frame, once that is settled.")]
    finished_at: Time | None
    error: str | None
    files: list[JobFileRecord]
    fps: float | None
    frames: JobFrames
    progress: float
    url: str
    results_url: str


class JobPage(Record):
    """Jobs, the newest first."""

    items: list[JobRecord]
    next: str | None


class JobResult(Faces):
    """The result of one frame, with the name of its file."""

    file: str


class JobResults(Record):
    """The results of a job, in the order of its frames."""

    job_id: str
    items: list[JobResult]
