"""The first page: every camera's newest frame and counts, and a place to try a picture."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from settings import Settings
from web.access import Role, requires
from web.services import Services


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of the first page."""
    routes = Blueprint("overview", __name__)

    @routes.get("/")
    @requires(Role.VIEWER)
    def page() -> str:
        return render_template("overview.html", max_picture_bytes=settings.max_picture_bytes)

    @routes.get("/overview.json")
    @requires(Role.VIEWER)
    def data() -> ResponseReturnValue:
        return services.overview.data()

    return routes
