"""The pages beside the first one. Each is a frame that its script fills from the HTTP interface."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from settings import Settings
from web.access import Role, principal, requires
from web.services import Services


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of the pages."""
    routes = Blueprint("pages", __name__)

    @routes.get("/cameras/<camera:camera_id>")
    @requires(Role.VIEWER)
    def camera(camera_id: str) -> str:
        return render_template("camera.html", camera_id=camera_id)

    @routes.get("/analytics")
    @requires(Role.VIEWER)
    def analytics() -> str:
        return render_template("analytics.html")

    @routes.get("/alerts")
    @requires(Role.VIEWER)
    def alerts() -> str:
        return render_template("alerts.html")

    @routes.get("/uploads")
    @requires(Role.VIEWER)
    def uploads() -> str:
        return render_template("uploads.html", max_picture_bytes=settings.max_picture_bytes)

    @routes.get("/messages")
    @requires(Role.VIEWER)
    def messages() -> str:
        return render_template("messages.html", topic=settings.topic_chat, sender=principal().name)

    @routes.get("/system")
    @requires(Role.VIEWER)
    def system() -> str:
        return render_template("system.html", flower_url=settings.flower_url, kafka_ui_url=settings.kafka_ui_url)

    @routes.get("/system.json")
    @requires(Role.VIEWER)
    def system_data() -> ResponseReturnValue:
        return services.system.data()

    @routes.get("/settings")
    @requires(Role.VIEWER)
    def configuration() -> str:
        return render_template("settings.html", settings=settings)

    return routes
