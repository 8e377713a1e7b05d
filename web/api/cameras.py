"""`/api/cameras`: the documents of cameras, how their capture goes, and their newest pictures."""

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from contracts.errors import ContractError
from web import routing
from web.access import Role, note, principal, requires
from web.api.camera_records import CameraDocument, CameraPage, CameraStateList
from web.api.openapi import BINARY, Answer, Content, describes
from web.errors import RequestError
from web.parameters import Body, CameraName, Cursor, Printable, Query, described
from web.services import Services

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 500
_PICTURES = Content({"image/jpeg": BINARY, "image/png": BINARY, "image/webp": BINARY, "image/bmp": BINARY})
_DOCUMENT = Content({"application/json": CameraDocument})
_PICTURE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox", "Content-Disposition": "inline"}

_ETAG = {"ETag": "Names this state of the document."}
_TAGGED = Answer("The document.", _DOCUMENT, _ETAG)

CameraId = Annotated[str, Field(description="The camera's id. A slash may be sent as `%2F`.")]


class Listing(Query):
    """Which cameras are listed."""

    limit: int = described("How many at most.", default=_DEFAULT_LIMIT, ge=1, le=_MAX_LIMIT)
    cursor: Cursor | None = described("The `next` of an earlier page.", default=None)


class TestAddress(Body):
    """The address of a camera; one with `***` is that of the camera `camera_id`."""

    url: Annotated[Printable, Field(min_length=1, max_length=2000)]
    camera_id: CameraName | None = None


def blueprint(services: Services) -> Blueprint:
    """Return the routes of cameras."""
    routes = Blueprint("cameras", __name__, url_prefix="/api")

    @routes.get("/cameras")
    @requires(Role.VIEWER)
    @describes({200: CameraPage})
    def list_cameras(query: Listing) -> Response:
        """The documents of all cameras, in the order of their ids."""
        items, after = services.cameras.page(query.limit, query.cursor)
        return jsonify({"items": items, "next": after})

    def document_of(camera_id: str) -> ResponseReturnValue:
        found = services.cameras.get(camera_id)
        if found is None:
            raise RequestError(404, f"there is no camera {camera_id!r:.80}")
        return found.document, {"ETag": f'"{found.mark}"'}

    @routes.get("/cameras/<camera:camera_id>")
    @requires(Role.VIEWER, camera="camera_id")
    @describes({200: _TAGGED, 404: "There is no such camera."})
    def get_camera(camera_id: CameraId) -> ResponseReturnValue:
        """The document of one camera. Send its `ETag` as `If-Match` with a `PUT`, so that no change is lost."""
        return document_of(camera_id)

    @routes.put("/cameras/<camera:camera_id>")
    @requires(Role.OPERATOR, camera="camera_id")
    @describes(
        {
            200: Answer("The camera was changed.", _DOCUMENT, _ETAG),
            201: Answer("The camera is new.", _DOCUMENT, _ETAG),
            409: "Others are changing the camera all the time.",
            412: "Somebody else has changed the camera since `If-Match` was read, or `If-None-Match: *` found one.",
        },
        body=_DOCUMENT,
    )
    def put_camera(camera_id: CameraId) -> ResponseReturnValue:
        """Write the whole document of a camera.

        It takes effect within seconds. A key that is left out gets its default, except for `source`, which stays; null
        removes it. To set, change or remove the address of the source needs an administrator. With `If-Match` the
        document is written only over the one that has this `ETag`, with `If-None-Match: *` only if there is none.
        """
        may_set_address = principal().role.covers(Role.ADMINISTRATOR)
        try:
            written = services.cameras.put(
                camera_id, _read_document(), only=_condition(), may_set_address=may_set_address
            )
        except ContractError as error:
            raise RequestError(400, str(error)) from error
        note(camera_id=camera_id, document=written.document)
        return written.document, 201 if written.is_new else 200, {"ETag": f'"{written.mark}"'}

    @routes.delete("/cameras/<camera:camera_id>")
    @requires(Role.ADMINISTRATOR, camera="camera_id")
    @describes(
        {
            204: "The camera is removed; its results stay.",
            404: "There is no such camera.",
            412: "Somebody else has changed the camera since `If-Match` was read.",
        }
    )
    def delete_camera(camera_id: CameraId) -> ResponseReturnValue:
        """Remove a camera, and clear its alerts."""
        mark = services.cameras.mark_to_delete(camera_id, only=_condition())
        if mark is None:
            raise RequestError(404, f"there is no camera {camera_id!r:.80}")
        services.alerts.clear(camera_id, datetime.now(timezone.utc))
        services.cameras.delete(camera_id, mark)
        return "", 204

    @routes.get("/camera-states")
    @requires(Role.VIEWER)
    @describes({200: CameraStateList})
    def states() -> Response:
        """How the capture of each camera with a source goes."""
        return jsonify({"items": services.cameras.states(), "next": None})

    @routes.post("/cameras/test")
    @requires(Role.ADMINISTRATOR, audited=False)
    @describes(
        {
            200: Answer("What the camera shows now.", _PICTURES),
            409: "No process captures, or all are busy.",
            422: "The camera gives no picture; the message says why.",
        }
    )
    def test_picture(body: TestAddress) -> Response:
        """A picture of the camera at an address, which is not stored."""
        try:
            data = services.cameras.test_picture(body.url, body.camera_id)
        except ContractError as error:
            raise RequestError(400, str(error)) from error
        return Response(data, content_type="image/jpeg", headers=_PICTURE_HEADERS)

    @routes.get("/cameras/<camera:camera_id>/snapshot")
    @requires(Role.VIEWER, camera="camera_id")
    @describes(
        {
            200: Answer(
                "The picture.",
                _PICTURES,
                {
                    "ETag": "Names the frame.",
                    "X-Frame": "The frame's place in the log: its result is at /api/frames/….",
                },
            ),
            304: "The newest picture is still the one of `If-None-Match`.",
            404: "No picture of this camera is in the log.",
            415: "What was sent is no picture.",
        }
    )
    def snapshot(camera_id: CameraId) -> ResponseReturnValue:
        """The newest picture of a camera that was looked at; with `If-None-Match` cheap enough to ask often.

        Of a camera whose own id ends in `/snapshot`, send that slash as `%2F`.
        """
        if routing.ends_escaped("snapshot"):
            return document_of(f"{camera_id}/snapshot")
        record = services.previews.newest(camera_id)
        if record is None:
            raise RequestError(404, f"no picture of {camera_id!r:.80} is in the log")
        role = principal().role
        tag = f"{record.source}@{record.log_id}{'/blurred' if services.previews.must_blur(camera_id, role) else ''}"
        headers = {**_PICTURE_HEADERS, "X-Frame": str(record.source), "Cache-Control": "private, no-cache"}
        if request.if_none_match.contains(tag):
            response = Response(status=304, headers=headers)
        else:
            preview = services.previews.of_record(record, role)
            response = Response(preview.data, content_type=preview.content_type, headers=headers)
        response.set_etag(tag)
        return response

    return routes


def _condition() -> Callable[[str | None], bool]:
    """Return whether a document with a mark (None: there is none) may be changed, by `If-Match` and `If-None-Match`."""
    wanted, unwanted = request.if_match, request.if_none_match
    has_wanted, has_unwanted = "If-Match" in request.headers, "If-None-Match" in request.headers

    def holds(mark: str | None) -> bool:
        if has_wanted and (mark is None or not wanted.contains(mark)):
            return False
        return not (has_unwanted and mark is not None and unwanted.contains_weak(mark))

    return holds


def _read_document() -> dict[str, Any]:
    try:
        document = json.loads(request.get_data())
        json.dumps(document, ensure_ascii=False).encode()  # halves of characters can be written, but not stored
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body should be JSON in UTF-8: {type(error).__name__}", code="bad_json") from error
    if not isinstance(document, dict):
        raise RequestError(400, "the body should be the whole document of a camera, an object")
    return document
