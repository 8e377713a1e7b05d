"""`GET /api/live`: server-sent events."""

import socket
from collections.abc import Iterator

from flask import Blueprint, Response, request

from web.access import Role, requires
from web.api.openapi import Answer, Content, describes
from web.parameters import CameraName, Query, described
from web.services import Services
from web.services.viewers import HandedOver

_BEGIN = b"retry: 2000\n\n"
_EVENTS = Content({"text/event-stream": {"type": "string"}})


class LiveView(Query):
    """What is watched."""

    camera: CameraName | None = described("Only this camera's results.", default=None)


def blueprint(services: Services) -> Blueprint:
    """Return the route of live results."""
    routes = Blueprint("live", __name__, url_prefix="/api")

    @routes.get("/live")
    @requires(Role.VIEWER, camera="camera")
    @describes({200: Answer("Events, until one side goes.", _EVENTS)})
    def live(query: LiveView) -> Response:
        """Stream results and alerts of all cameras, or of `?camera=`, as server-sent events."""
        services.viewers.check_room()
        sock: socket.socket | None = request.environ.get("gunicorn.socket")
        chunked = request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1"

        def stream() -> Iterator[bytes]:
            """Yield the beginning; then give the socket away. A server without sockets ends it: browsers ask again."""
            yield _BEGIN
            if sock is not None:
                services.viewers.adopt(sock, query.camera, chunked=chunked)
                raise HandedOver

        return Response(stream(), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return routes
