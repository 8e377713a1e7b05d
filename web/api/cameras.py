"""`/api/cameras`: the documents of cameras, how their capture goes, and their newest pictures."""

import json
from datetime import datetime, timezone
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from contracts.errors import ContractError
from web.access import Role, note, principal, requires
from web.api.camera_records import CameraDocument, CameraPage, CameraStateList
from web.api.openapi import BINARY, Answer, Content, describes
from web.errors import RequestError
from web.parameters import MAX_NAME, Body, CameraName, Cursor, Printable, Query, described
from web.services import Services

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 500
_PICTURES = Content({"image/jpeg": BINARY, "image/png": BINARY, "image/webp": BINARY, "image/bmp": BINARY})
_DOCUMENT = Content({"application/json": CameraDocument})
_PICTURE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox", "Content-Disposition": "inline"}

CameraId = Annotated[str, Field(description="The camera's id.")]


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

    @routes.get("/cameras/<camera_id>")
    @requires(Role.VIEWER, camera="camera_id")
    @describes({200: CameraDocument, 404: "There is no such camera."})
    def get_camera(camera_id: CameraId) -> ResponseReturnValue:
        """The document of one camera."""
        found = services.cameras.get(camera_id)
        if found is None:
            raise RequestError(404, f"there is no camera {camera_id!r:.80}")
        return found

    @routes.put("/cameras/<camera_id>")
    @requires(Role.OPERATOR, camera="camera_id")
    @describes(
        {
            200: Answer("The camera was changed.", _DOCUMENT),
            201: Answer("The camera is new.", _DOCUMENT),
        },
        body=_DOCUMENT,
    )
    def put_camera(camera_id: CameraId) -> ResponseReturnValue:
        """Write the whole document of a camera.

        It takes effect within seconds. To set or change the address of its source needs an administrator.
        """
        if len(camera_id) > MAX_NAME or not camera_id.strip() or not camera_id.isprintable():
            raise RequestError(400, f"a camera's id should be 1 to {MAX_NAME} printable characters")
        may_set_address = principal().role.covers(Role.ADMINISTRATOR)
        try:
            document, is_new = services.cameras.put(camera_id, _read_document(), may_set_address=may_set_address)
        except ContractError as error:
            raise RequestError(400, str(error)) from error
        note(camera_id=camera_id, document=document)
        return document, 201 if is_new else 200

    @routes.delete("/cameras/<camera_id>")
    @requires(Role.ADMINISTRATOR, camera="camera_id")
    @describes({204: "The camera is removed; its results stay.", 404: "There is no such camera."})
    def delete_camera(camera_id: CameraId) -> ResponseReturnValue:
        """Remove a camera, and clear its alerts."""
        if services.cameras.get(camera_id) is not None:
            services.alerts.clear(camera_id, datetime.now(timezone.utc))
        if not services.cameras.delete(camera_id):
            raise RequestError(404, f"there is no camera {camera_id!r:.80}")
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

    @routes.get("/cameras/<camera_id>/snapshot")
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
    def snapshot(camera_id: CameraId) -> Response:
        """The newest picture of a camera that was looked at; with `If-None-Match` cheap enough to ask often."""
        record = services.previews.newest(camera_id)
        if record is None:
            raise RequestError(404, f"no picture of {camera_id!r:.80} is in the log")
        role = principal().role
        tag = f"{record.source}{'/blurred' if services.previews.must_blur(camera_id, role) else ''}"
        headers = {**_PICTURE_HEADERS, "X-Frame": str(record.source), "Cache-Control": "private, no-cache"}
        if request.if_none_match.contains(tag):
            response = Response(status=304, headers=headers)
        else:
            preview = services.previews.of_record(record, role)
            response = Response(preview.data, content_type=preview.content_type, headers=headers)
        response.set_etag(tag)
        return response

    return routes


def _read_document() -> dict[str, Any]:
    try:
        document = json.loads(request.get_data())
        json.dumps(document, ensure_ascii=False).encode()  # halves of characters can be written, but not stored
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body should be JSON in UTF-8: {type(error).__name__}", code="bad_json") from error
    if not isinstance(document, dict):
        raise RequestError(400, "the body should be the whole document of a camera, an object")
    return document
