"""`/api/camera-clocks`: how far the cameras' clocks are from the log's."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from contracts.times import to_rfc3339
from web.access import Role, requires
from web.api.openapi import describes
from web.api.records import Record, Time
from web.services import Services

Skew = Annotated[
    float,
    Field(
        description="By how many seconds the time of its frames is ahead of when they were received; or behind, < 0."
    ),
]


class CameraClockRecord(Record):
    """What was measured of a live camera's clock: the median of the last seconds."""

    camera_id: str
    skew_s: Skew
    measured_at: Time


class CameraClockList(Record):
    """Every camera that was live."""

    items: list[CameraClockRecord]
    next: str | None


def blueprint(services: Services) -> Blueprint:
    """Return the route of the cameras' clocks."""
    routes = Blueprint("camera_clocks", __name__, url_prefix="/api/camera-clocks")

    @routes.get("")
    @requires(Role.VIEWER)
    @describes({200: CameraClockList})
    def clocks() -> Response:
        """How far each camera's clock is from that of the log."""
        items = [
            {"camera_id": one.camera_id, "skew_s": one.skew_s, "measured_at": to_rfc3339(one.measured_at)}
            for _, one in sorted(services.clocks.all().items())
        ]
        return jsonify({"items": items, "next": None})

    return routes
