"""`/api/analytics`: how many, how long, where, how usual."""

import csv
import io
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from contracts.errors import ContractError, UnavailableError
from web.access import Role, principal, requires
from web.api.analytics_records import AnalyticsAnswer
from web.api.openapi import BINARY, Answer, Content, describes
from web.api.times import QueryTime
from web.errors import RequestError
from web.parameters import CameraName, Query, described
from web.services import Services
from web.services.analytics import USES, Question
from web.services.heat_picture import draw_heat

_ANSWER = Content({"application/json": AnalyticsAnswer, "text/csv": {"type": "string"}, "image/png": BINARY})
_MOST_BUCKET_S = 31 * 86_400

Use = Annotated[str, Field(description=f"One of {', '.join(USES)}.")]


class Asked(Query):
    """What is asked."""

    camera: CameraName | None = described("Of this camera; needed, but for the flow of a venue.", default=None)
    zone: CameraName | None = described("Of this zone alone, not the whole picture.", default=None)
    line: CameraName | None = described("Of this line alone; for flow.", default=None)
    venue: CameraName | None = described("Of all lines that lead into this venue; for flow.", default=None)
    start: QueryTime | None = described(
        "From this time on; an hour before `to` without it.", default=None, alias="from"
    )
    to: QueryTime | None = described("Before this time; now without it.", default=None)
    bucket: int | None = described("Seconds of each point.", default=None, ge=1, le=_MOST_BUCKET_S)
    half_life: float | None = described(
        "Of the heatmap: seconds after which a stay counts half; without it all of the period count alike.",
        default=None,
        gt=0,
        allow_inf_nan=False,
    )
    format: Literal["json", "csv", "png"] | None = described(
        "Instead of the header Accept: json, csv, or png for the heatmap.", default=None
    )


def blueprint(services: Services) -> Blueprint:
    """Return the routes of the analytics."""
    routes = Blueprint("analytics", __name__, url_prefix="/api/analytics")

    @routes.get("/<use>")
    @requires(Role.VIEWER, camera="camera")
    @describes({200: Answer("The answer.", _ANSWER), 404: "There is no such use."})
    def answer(use: Use, query: Asked) -> ResponseReturnValue:
        """Answer one of the ten questions about a crowd, over a period, in buckets.

        As JSON; as CSV, a row a bucket, by `Accept: text/csv`; the heatmap also as a picture by `Accept: image/png`.
        """
        if use not in USES:
            raise RequestError(404, f"there is no use {use!r:.60}; there are {', '.join(USES)}", detail=list(USES))
        try:
            question = Question.of(
                use,
                camera_id=query.camera,
                zone=query.zone,
                line=query.line,
                venue=query.venue,
                start=query.start,
                end=query.to,
                bucket_s=query.bucket,
                now=datetime.now(timezone.utc),
                half_life_s=query.half_life,
            )
        except ContractError as error:
            raise RequestError(400, str(error)) from error
        found = services.analytics.answer(question)
        wanted = query.format or _accepted(use)
        if wanted == "png" and use == "heatmap":
            png = draw_heat(found["cells"], _picture(services, question.camera_id or ""))
            return Response(png, content_type="image/png")
        if wanted == "csv":
            name = {"Content-Disposition": f'attachment; filename="{use}.csv"'}
            return Response(_to_csv(found), content_type="text/csv; charset=utf-8", headers=name)
        return jsonify(found)

    return routes


def _accepted(use: str) -> str:
    types = ["application/json", "text/csv", *(["image/png"] if use == "heatmap" else [])]
    return (request.accept_mimetypes.best_match(types) or "application/json").rpartition("/")[2]


def _picture(services: Services, camera_id: str) -> bytes | None:
    """Return the camera's newest picture as it may be shown to who asks, None where there is none."""
    newest = services.previews.newest(camera_id)
    try:
        return None if newest is None else services.previews.of_record(newest, principal().role).data
    except (RequestError, UnavailableError):
        return None


def _to_csv(found: dict[str, Any]) -> str:
    """A row a point; of the heatmap a row a cell that somebody was in."""
    text = io.StringIO()
    writer = csv.writer(text)
    if "cells" in found:
        writer.writerow(["row", "column", "person_s"])
        for row, cells in enumerate(found["cells"]):
            writer.writerows([row, column, held] for column, held in enumerate(cells) if held)
        return text.getvalue()
    points = [_flat(point) for point in found["series"]]
    names = list(dict.fromkeys(name for point in points for name in point)) or ["at"]
    writer.writerow(names)
    writer.writerows([point.get(name) for name in names] for point in points)
    return text.getvalue()


def _flat(point: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in point.items():
        if isinstance(value, dict):
            flat |= {f"{name} {key}": part for key, part in value.items()}
        else:
            flat[name] = value
    return flat
