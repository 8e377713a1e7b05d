"""`GET /api/live`: server-sent events."""

import socket
from collections.abc import Iterator

from flask import Blueprint, Response, request

from web import parameters
from web.services import Services
from web.services.viewers import HandedOver

_MAX_NAME = 200
_BEGIN = b"retry: 2000\n\n"


def blueprint(services: Services) -> Blueprint:
    """Return the route of live results."""
    routes = Blueprint("live", __name__, url_prefix="/api")

    @routes.get("/live")
    def live() -> Response:
        """Stream results and alerts of all cameras, or of `?camera=`, as server-sent events."""
        camera_id = parameters.printable(request.args, "camera", default=None, max_length=_MAX_NAME)
        services.viewers.check_room()
        sock: socket.socket | None = request.environ.get("gunicorn.socket")
        chunked = request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1"

        def stream() -> Iterator[bytes]:
            """Yield the beginning; then give the socket away. A server without sockets ends it: browsers ask again."""
            yield _BEGIN
            if sock is not None:
                services.viewers.adopt(sock, camera_id, chunked=chunked)
                raise HandedOver

        return Response(stream(), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return routes
