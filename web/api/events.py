"""`/api/events`: what happened, newest first."""

from flask import Blueprint, Response, jsonify

from storage.lists import ListFilter
from web.access import Role, requires
from web.api.analytics_records import EventPage
from web.api.openapi import describes
from web.api.times import QueryTime
from web.parameters import CameraName, Cursor, Query, described
from web.services import Services

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 500


class Wanted(Query):
    """Which entries are listed."""

    camera: CameraName | None = described("Only this camera's.", default=None)
    kind: CameraName | None = described("Only of this kind.", default=None)
    start: QueryTime | None = described("From this time on.", default=None, alias="from")
    to: QueryTime | None = described("Before this time.", default=None)
    limit: int = described("How many at most.", default=_DEFAULT_LIMIT, ge=1, le=_MAX_LIMIT)
    cursor: Cursor | None = described("The `next` of an earlier page.", default=None)

    @property
    def filter(self) -> ListFilter:
        """The entries that are wanted."""
        return ListFilter(self.camera, self.kind, self.start, self.to)


def blueprint(services: Services) -> Blueprint:
    """Return the routes of events."""
    routes = Blueprint("events", __name__, url_prefix="/api/events")

    @routes.get("")
    @requires(Role.VIEWER, camera="camera")
    @describes({200: EventPage})
    def newest(query: Wanted) -> Response:
        """What happened: crossings, visits, waits, changes of level; the last first."""
        items, after = services.events.page(query.filter, query.limit, query.cursor)
        return jsonify({"items": items, "next": after})

    return routes
