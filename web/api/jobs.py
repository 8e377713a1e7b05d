"""`/api/jobs`: how far uploads are, and what came of them."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Annotated, Literal

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from pydantic import Field

from contracts.times import to_rfc3339
from storage.jobs import Job
from web.access import Role, requires
from web.api.job_records import JobPage, JobRecord, JobResults
from web.api.openapi import Answer, Content, describes
from web.parameters import Cursor, Query, described
from web.services import Services

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200
_HEAD = (
    "file", "camera_id", "frame_id", "captured_at", "status", "error", "total_faces",
    "face_id", "x", "y", "width", "height", "confidence",
)  # fmt: skip

JobId = Annotated[str, Field(description="The job's id.")]


class Listing(Query):
    """Which jobs are listed."""

    limit: int = described("How many at most.", default=_DEFAULT_LIMIT, ge=1, le=_MAX_LIMIT)
    cursor: Cursor | None = described("The `next` of an earlier page.", default=None)


class Download(Query):
    """How results are given."""

    format: Literal["json", "csv"] = described("JSON, or CSV with a row for each face.", default="json")


def blueprint(services: Services) -> Blueprint:
    """Return the routes of jobs."""
    routes = Blueprint("jobs", __name__, url_prefix="/api/jobs")

    @routes.get("")
    @requires(Role.VIEWER)
    @describes({200: JobPage})
    def newest(query: Listing) -> Response:
        """Uploads, the newest first."""
        items, following = services.uploads.page(query.limit, query.cursor)
        return jsonify({"items": [services.uploads.describe(job) for job in items], "next": following})

    @routes.get("/<job_id>")
    @requires(Role.VIEWER)
    @describes({200: JobRecord, 404: "There is no such job."})
    def one(job_id: JobId) -> ResponseReturnValue:
        """How far an upload is."""
        return services.uploads.describe(services.uploads.get(job_id))

    @routes.post("/<job_id>/cancel")
    @requires(Role.OPERATOR)
    @describes({200: JobRecord, 404: "There is no such job.", 409: "It has ended already."})
    def cancel(job_id: JobId) -> ResponseReturnValue:
        """End a job. Frames that are in the log by then still get their results."""
        return services.uploads.describe(services.uploads.cancel(job_id))

    @routes.get("/<job_id>/results")
    @requires(Role.VIEWER)
    @describes(
        {
            200: Answer(
                "The results so far.",
                Content({"application/json": JobResults, "text/csv": {"type": "string"}}),
                {"Content-Disposition": "The name under which it is saved."},
            ),
            404: "There is no such job.",
        }
    )
    def results(job_id: JobId, query: Download) -> Response:
        """What came of an upload, to be saved."""
        job = services.uploads.get(job_id)
        rows = _csv(services, job) if query.format == "csv" else _json(services, job)
        headers = {"Content-Disposition": f'attachment; filename="job-{job.job_id}.{query.format}"'}
        return Response(rows, mimetype="text/csv" if query.format == "csv" else "application/json", headers=headers)

    return routes


def _json(services: Services, job: Job) -> Iterator[str]:
    yield f'{{"job_id":{json.dumps(job.job_id)},"items":['
    comma = ""
    for file, record in services.uploads.results(job):
        yield comma + json.dumps({"file": file, **record.to_dict()}, ensure_ascii=False)
        comma = ","
    yield "]}"


def _csv(services: Services, job: Job) -> Iterator[str]:
    yield _row(_HEAD)
    for file, record in services.uploads.results(job):
        about = (
            _text(file), _text(record.camera_id), record.frame_id, to_rfc3339(record.captured_at),
            record.status.value, _text(record.error or ""), len(record.faces),
        )  # fmt: skip
        if not record.faces:
            yield _row((*about, "", "", "", "", "", ""))
        for face in record.faces:
            box = face.bounding_box
            yield _row((*about, face.face_id, box.x, box.y, box.width, box.height, face.confidence))


def _row(cells: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _text(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
