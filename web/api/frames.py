"""`/api/frames`: pictures in, results out."""

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from contracts.errors import ContractError
from contracts.offsets import SourceOffset
from settings import Settings
from web import parameters
from web.errors import RequestError
from web.services import Services
from web.services.pictures import sniff_content_type

_MULTIPART_SLACK_BYTES = 256 * 1024
_FILE_FIELDS = ("file", "frame")
_MAX_NAME = 200
_MAX_CONTENT_TYPE = 100
_MAX_WAIT_S = 60
_DEFAULT_LIMIT = 50
_MAX_LIMIT = 500
_MAX_OFFSET = 2**63 - 1
_PICTURE_HEADERS = {
    "Cache-Control": "private, max-age=3600, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of frames."""
    routes = Blueprint("frames", __name__, url_prefix="/api/frames")
    max_bytes = settings.max_picture_bytes

    @routes.post("")
    def send_picture() -> ResponseReturnValue:
        camera_id = parameters.printable(request.args, "camera_id", default="upload", max_length=_MAX_NAME)
        wait_s = parameters.seconds(request.args, "wait", maximum=_MAX_WAIT_S)
        picture, content_type = _read_picture(max_bytes)
        source = services.frames.accept(picture, camera_id or "upload", content_type)
        if wait_s:
            record = services.frames.wait_for(source, wait_s)
            if record is not None:
                return record.to_dict(), 200, {"Location": _url_of(source)}
        return {"id": str(source), "url": _url_of(source)}, 202, {"Location": _url_of(source)}

    @routes.get("")
    def newest() -> Response:
        limit = parameters.whole_number(request.args, "limit", default=_DEFAULT_LIMIT, maximum=_MAX_LIMIT)
        camera_id = parameters.printable(request.args, "camera", default=None, max_length=_MAX_NAME)
        try:
            page = services.frames.newest(limit, camera_id, request.args.get("cursor"))
        except ContractError as error:
            raise RequestError(400, str(error)) from error
        return jsonify({"items": [record.to_dict() for record in page.items], "next": page.next})

    @routes.get("/<topic>/<int:partition>/<int:offset>")
    def result(topic: str, partition: int, offset: int) -> ResponseReturnValue:
        source = _source(topic, partition, offset)
        record = services.frames.find(source)
        if record is not None:
            return record.to_dict()
        if services.frames.is_on_its_way(source):
            return {"status": "pending", "id": str(source), "url": _url_of(source)}, 202, {"Retry-After": "1"}
        raise RequestError(404, f"there is no frame {source}")

    @routes.get("/<topic>/<int:partition>/<int:offset>/picture")
    def picture(topic: str, partition: int, offset: int) -> Response:
        source = _source(topic, partition, offset)
        data = services.frames.picture(source)
        if not data:
            raise RequestError(404, f"the log holds no picture {source}, or no more")
        content_type = sniff_content_type(data)
        if content_type is None:
            raise RequestError(415, f"{source} is no JPEG, PNG, WebP or BMP picture")
        return Response(data, content_type=content_type, headers=_PICTURE_HEADERS)

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
    if max(partition, offset) > _MAX_OFFSET:
        raise RequestError(404, "there is no frame at such an offset")
    return SourceOffset(topic, partition, offset)


def _url_of(source: SourceOffset) -> str:
    return url_for("frames.result", topic=source.topic, partition=source.partition, offset=source.offset)
