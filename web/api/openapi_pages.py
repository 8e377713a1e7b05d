"""`/openapi.json` and `/docs`: the description of the HTTP interface, for programs and for people."""

from functools import cache
from pathlib import Path
from typing import Any

import flask_swagger_ui
from flask import Blueprint, Response, current_app, make_response, render_template, send_from_directory

from web.access import Role, public, requires
from web.api.openapi_document import build_document

_SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def blueprint() -> Blueprint:
    """Return the routes of the description. The document is made once, when it is first asked for."""
    routes = Blueprint("openapi", __name__)

    @cache
    def build() -> dict[str, Any]:
        return build_document(current_app)

    @routes.get("/openapi.json")
    @requires(Role.VIEWER)
    def document() -> dict[str, Any]:
        return build()

    @routes.get("/docs")
    @requires(Role.VIEWER)
    def docs() -> Response:
        """Swagger UI. It styles its elements by attributes: its page alone may."""
        response = make_response(render_template("docs.html"))
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    @routes.get("/docs/<name>")
    @public()
    def file(name: str) -> Response:
        return send_from_directory(_SWAGGER_UI, name)

    return routes
