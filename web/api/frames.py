"""`/api/frames`: pictures in, results out."""

from typing import Annotated

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import Field

from contracts.errors import ContractError
from contracts.offsets import SourceOffset
from settings import Settings
from web.access import Role, principal, requires
from web.api.openapi import BINARY, Answer, Content, describes
from web.api.records import Accepted, Faces, FacesPage, Pending
from web.errors import RequestError
from web.parameters import CameraName, Cursor, Query, described
from web.services import Services

_MULTIPART_SLACK_BYTES = 256 * 1024
_FILE_FIELDS = ("file", "frame")
_MAX_CONTENT_TYPE = 100
_MAX_WAIT_S = 60
_DEFAULT_LIMIT = 50
_MAX_LIMIT = 500
_PICTURE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}
_FOR_AN_HOUR = "private, max-age=3600, immutable"
"""Another log may have another picture in the same place."""

_PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp")
_PICTURE_BODY = Content(
    {
        **dict.fromkeys(_PICTURE_TYPES, BINARY),
        "application/octet-stream": BINARY,
        "multipart/form-data": {"type": "object", "properties": {"file": BINARY}, "required": ["file"]},
    }
)
_LOCATION = {"Location": "Where the result is, or will be."}

Topic = Annotated[str, Field(description="Topic of the source frame, such as `frames` or `uploads`.")]
Partition = Annotated[int, Field(description="Its partition.")]
Offset = Annotated[int, Field(description="Its offset.")]


class SentPicture(Query):
    """How a picture is sent."""

    camera_id: CameraName = described("The camera that the picture counts for.", default="upload")
    wait: float = described("Seconds to wait for the result.", default=0, ge=0, le=_MAX_WAIT_S)


class NewestResults(Query):
    """Which results are listed."""

    camera: CameraName | None = described("Only this camera's.", default=None)
    limit: int = described("How many at most.", default=_DEFAULT_LIMIT, ge=1, le=_MAX_LIMIT)
    cursor: Cursor | None = described("The `next` of an earlier page.", default=None)


class OfLog(Query):
    """Which log a place is one in."""

    log_id: str | None = described(
        "The `log_id` of a result: Kafka's id of the topic. Without it, that of the topic as it is now.",
        default=None,
        max_length=100,
    )


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of frames."""
    routes = Blueprint("frames", __name__, url_prefix="/api/frames")
    max_bytes = settings.max_picture_bytes

    @routes.post("")
    @requires(Role.OPERATOR, camera="camera_id", audited=False)
    @describes(
        {
            200: Answer("The result, which came in time.", Content({"application/json": Faces}), _LOCATION),
            202: Answer("The picture is in the log.", Content({"application/json": Accepted}), _LOCATION),
        },
        body=_PICTURE_BODY,
    )
    def send_picture(query: SentPicture) -> ResponseReturnValue:
        """Send a picture: its bytes as the body, or a form with the field `file`."""
        picture, content_type = _read_picture(max_bytes)
        source = services.frames.accept(picture, query.camera_id, content_type)
        if query.wait:
            record = services.frames.wait_for(source, query.wait)
            if record is not None:
                return record.to_dict(), 200, {"Location": _url_of(source)}
        return {"id": str(source), "url": _url_of(source)}, 202, {"Location": _url_of(source)}

    @routes.get("")
    @requires(Role.VIEWER, camera="camera")
    @describes({200: FacesPage})
    def newest(query: NewestResults) -> Response:
        """The newest results, of one camera or of all, the last captured first."""
        page = services.frames.newest(query.limit, query.camera, query.cursor)
        return jsonify({"items": [record.to_dict() for record in page.items], "next": page.next})

    @routes.get("/<topic>/<int:partition>/<int:offset>")
    @requires(Role.VIEWER)
    @describes(
        {
            200: Faces,
            202: Answer(
                "The frame is in the log, its result on its way.",
                Content({"application/json": Pending}),
                {"Retry-After": "Seconds after which to ask again."},
            ),
            404: "There is no such frame.",
        }
    )
    def result(topic: Topic, partition: Partition, offset: Offset, query: OfLog) -> ResponseReturnValue:
        """The result of one frame, by its place in the log."""
        source = _source(topic, partition, offset)
        record = services.frames.find(source, query.log_id)
        if record is not None:
            return record.to_dict()
        if services.frames.is_on_its_way(source, query.log_id):
            return {"status": "pending", "id": str(source), "url": _url_of(source)}, 202, {"Retry-After": "1"}
        raise RequestError(404, f"there is no frame {source}")

    @routes.get("/<topic>/<int:partition>/<int:offset>/picture")
    @requires(Role.VIEWER)
    @describes(
        {
            200: Answer(
                "The picture, faces blurred where camera or role ask for it.",
                Content(dict.fromkeys(_PICTURE_TYPES, BINARY)),
            ),
            404: "The log holds no such picture, or no more.",
            415: "What was sent is no picture.",
        }
    )
    def picture(topic: Topic, partition: Partition, offset: Offset, query: OfLog) -> Response:
        """The picture of one frame, by its place in the log."""
        source = _source(topic, partition, offset)
        preview = services.previews.of(source, principal().role, query.log_id)
        headers = _PICTURE_HEADERS | {"Cache-Control": _FOR_AN_HOUR if query.log_id else "private, no-cache"}
        return Response(preview.data, content_type=preview.content_type, headers=headers)

    return routes


def _read_picture(max_bytes: int) -> tuple[bytes, str | None]:
    """Return the picture in the request's body, and the type that its sender says it has.

    Raises:
        RequestError: 400, there is none; 413, it is too large.
    """
    request.max_content_length = max_bytes + _MULTIPART_SLACK_BYTES
    if request.mimetype == "multipart/form-data":
        files = request.files
        name = next((known for known in _FILE_FIELDS if known in files), next(iter(files), None))
        if name is None:
            raise RequestError(400, "the form holds no file; send the picture as its field `file`", code="no_picture")
        picture, content_type = files[name].read(), files[name].mimetype
    else:
        picture, content_type = request.get_data(), request.mimetype
    if not picture:
        raise RequestError(400, "empty: 0 bytes instead of a picture", code="no_picture")
    if len(picture) > max_bytes:
        raise RequestError(
            413,
            f"the picture has more than the {max_bytes} bytes that are accepted",
            detail={"max_bytes": max_bytes},
        )
    is_known = content_type.startswith("image/") and content_type.isprintable() and content_type.isascii()
    return picture, content_type if is_known and len(content_type) <= _MAX_CONTENT_TYPE else None


def _source(topic: str, partition: int, offset: int) -> SourceOffset:
    try:
        return SourceOffset(topic, partition, offset)
    except ContractError as error:
        raise RequestError(404, "there is no frame at such a place") from error


def _url_of(source: SourceOffset) -> str:
    return url_for("frames.result", topic=source.topic, partition=source.partition, offset=source.offset)
