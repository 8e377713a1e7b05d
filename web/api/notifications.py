"""`/api/notifications`: where alerts are sent."""

from typing import Literal

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from contracts.errors import ContractError
from contracts.notifications import Name, Notifications
from web.access import Role, note, requires
from web.api.openapi import describes
from web.api.records import Record, Time
from web.errors import RequestError
from web.parameters import Body, Query, described
from web.services import Services

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 500


class Listing(Query):
    """How many are listed."""

    limit: int = described("How many at most.", default=_DEFAULT_LIMIT, ge=1, le=_MAX_LIMIT)


class TestChannel(Body):
    """A channel by its name."""

    channel: Name


class DeliveryRecord(Record):
    """One alert (none: a test) for one channel: what became of it. `held` is by quiet hours or cool-down."""

    alert_id: str | None
    channel: str
    rule: str | None
    state: Literal["pending", "sent", "failed", "held"]
    attempts: int
    error: str | None
    created_at: Time
    sent_at: Time | None


class DeliveryList(Record):
    """Deliveries, the newest first."""

    items: list[DeliveryRecord]
    next: str | None


def blueprint(services: Services) -> Blueprint:
    """Return the routes of notifications."""
    routes = Blueprint("notifications", __name__, url_prefix="/api/notifications")

    @routes.get("")
    @requires(Role.ADMINISTRATOR)
    @describes({200: Notifications})
    def get_all() -> ResponseReturnValue:
        """Every channel and rule; secrets are masked."""
        return services.notifications.shown()

    @routes.put("")
    @requires(Role.ADMINISTRATOR)
    @describes({200: Notifications})
    def put_all(body: Notifications) -> ResponseReturnValue:
        """Write every channel and rule. A masked secret that comes back is kept."""
        try:
            shown = services.notifications.put(body)
        except ContractError as error:
            raise RequestError(400, str(error)) from error
        note(channels=[one.name for one in body.channels], rules=[one.name for one in body.rules])
        return shown

    @routes.post("/test")
    @requires(Role.ADMINISTRATOR)
    @describes(
        {
            200: DeliveryRecord,
            404: "There is no such channel.",
            409: "No process sends notifications, or it is busy.",
        }
    )
    def test(body: TestChannel) -> ResponseReturnValue:
        """Send a test over a channel, and tell what became of it."""
        return services.notifications.test(body.channel)

    @routes.get("/deliveries")
    @requires(Role.ADMINISTRATOR)
    @describes({200: DeliveryList})
    def deliveries(query: Listing) -> Response:
        """What was sent lately, what is to be tried again, and what was held back."""
        return jsonify({"items": services.notifications.deliveries(query.limit), "next": None})

    return routes
