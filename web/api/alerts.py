"""`/api/alerts`: what somebody should look at, and who has."""

from datetime import datetime, timezone
from typing import Annotated

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from pydantic import Field

from web.access import Role, principal, requires
from web.api.analytics_records import AlertPage, AlertRecord
from web.api.events import Wanted
from web.api.openapi import BINARY, Answer, Content, describes
from web.errors import RequestError
from web.services import Services

_PICTURE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox", "Content-Disposition": "inline"}

AlertId = Annotated[str, Field(description="The alert's id.")]


def blueprint(services: Services) -> Blueprint:
    """Return the routes of alerts."""
    routes = Blueprint("alerts", __name__, url_prefix="/api/alerts")

    @routes.get("")
    @requires(Role.VIEWER, camera="camera")
    @describes({200: AlertPage})
    def newest(query: Wanted) -> Response:
        """Alerts, the last raised first. The kind is the rule that raised them."""
        items, after = services.alerts.page(query.filter, query.limit, query.cursor)
        return jsonify({"items": items, "next": after})

    @routes.post("/<alert_id>/ack")
    @requires(Role.OPERATOR)
    @describes({200: AlertRecord, 404: "There is no such alert."})
    def acknowledge(alert_id: AlertId) -> ResponseReturnValue:
        """Note that you have seen an alert. Who was first stays."""
        found = services.alerts.acknowledge(alert_id, principal().name, datetime.now(timezone.utc))
        if found is None:
            raise RequestError(404, "there is no such alert")
        return found

    @routes.get("/<alert_id>/picture")
    @requires(Role.VIEWER)
    @describes(
        {
            200: Answer("The picture, with blurred faces where that is asked for.", Content({"image/jpeg": BINARY})),
            404: "There is no such alert, or no picture of it was kept and the log does not hold it.",
            415: "What was sent is no picture.",
        }
    )
    def picture(alert_id: AlertId) -> Response:
        """The frame that showed why an alert was raised."""
        frame = services.alerts.frame(alert_id)
        if frame is None:
            raise RequestError(404, "there is no such alert")
        preview = services.previews.of_alert(alert_id, frame, principal().role)
        return Response(preview.data, content_type=preview.content_type, headers=_PICTURE_HEADERS)

    return routes
