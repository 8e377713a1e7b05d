"""`/api/uploads`: pictures and videos that become jobs."""

from typing import Annotated

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from settings import Settings
from settings.model import MIB
from web.access import Role, note, requires
from web.api.job_records import JobRecord
from web.api.openapi import BINARY, Answer, Content, describes
from web.api.times import QueryTime
from web.errors import RequestError
from web.parameters import CameraName, Printable, Query, described
from web.services import Services
from web.services.uploads import Uploaded

_SLACK_BYTES = 1024 * 1024
_FILES = {"type": "array", "items": BINARY}
_BODY = Content(
    {
        "multipart/form-data": {"type": "object", "properties": {"file": _FILES}, "required": ["file"]},
        "application/octet-stream": BINARY,
    }
)


class UploadOptions(Query):
    """How an upload is taken."""

    camera_id: CameraName | None = described(
        "The camera that the frames count for; one of its own without.", default=None
    )
    fps: float = described("Frames a second that are taken from a video.", default=5, ge=0.01, le=120)
    captured_at: QueryTime | None = described(
        "When the first frame was taken, for instance 2026-11-23T21:30:00Z. By default the upload ends when it was "
        "uploaded. It never ends later: a video that would is moved to end there.",
        default=None,
    )
    filename: Annotated[Printable, Field(max_length=200)] | None = described(
        "Name of the file, where the body is the file itself.", default=None
    )


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the route of uploads."""
    routes = Blueprint("uploads", __name__, url_prefix="/api/uploads")

    @routes.post("")
    @requires(Role.OPERATOR, camera="camera_id")
    @describes(
        {
            202: Answer("The job.", Content({"application/json": JobRecord}), {"Location": "Where the job is."}),
            409: "The camera is captured at the moment.",
        },
        body=_BODY,
    )
    def upload(query: UploadOptions) -> ResponseReturnValue:
        """Upload pictures, or one video: a form with files, or the file itself as the body.

        The answer comes when everything is stored durably. Files are known by their content, never by their names.
        """
        request.max_content_length = settings.max_upload_mib * MIB + _SLACK_BYTES
        if request.mimetype == "multipart/form-data":
            given = [one for field in request.files for one in request.files.getlist(field) if one.filename]
            files = [Uploaded(one.filename or "", one.stream) for one in given]
        else:
            files = [Uploaded(query.filename or "upload", request.stream)]
        if not files:
            raise RequestError(400, "the form holds no file; send files as its field `file`", code="no_file")
        job = services.uploads.accept(files, query.camera_id, query.fps, query.captured_at)
        note(job_id=job["job_id"], camera_id=job["camera_id"], files=len(job["files"]))
        return job, 202, {"Location": job["url"]}

    return routes
