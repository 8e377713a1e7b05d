"""`/api/models`: the models that a camera may name."""

from flask import Blueprint, Response, jsonify

from web.access import Role, requires
from web.api.openapi import describes
from web.api.records import Record
from web.services import Services


class InstalledModel(Record):
    """A model, its classes, and those of them that count unless a camera names others."""

    name: str
    description: str
    classes: list[str]
    counted: list[str]
    default: bool


class ModelList(Record):
    """The models that can be used, the installation's default first."""

    items: list[InstalledModel]
    next: None


def blueprint(services: Services) -> Blueprint:
    """Return the route of models."""
    routes = Blueprint("models", __name__, url_prefix="/api/models")

    @routes.get("")
    @requires(Role.VIEWER)
    @describes({200: ModelList})
    def list_models() -> Response:
        """The installed models that a camera may name."""
        return jsonify({"items": services.models.shown(), "next": None})

    return routes
