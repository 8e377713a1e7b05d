"""`GET /api/live`: server-sent events."""

import json
import time
from collections.abc import Iterator

from flask import Blueprint, Response, request

from contracts.faces import FacesRecord
from web import parameters
from web.services import Services
from web.services.viewers import Viewer

_MAX_NAME = 200
_SLICE_S = 1.0
_SIGN_OF_LIFE_S = 10.0


def blueprint(services: Services) -> Blueprint:
    """Return the route of live results."""
    routes = Blueprint("live", __name__, url_prefix="/api")

    @routes.get("/live")
    def live() -> Response:
        camera_id = parameters.printable(request.args, "camera", default=None, max_length=_MAX_NAME)
        viewer = services.viewers.join(camera_id)
        response = Response(
            _events(services, viewer), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )
        response.call_on_close(viewer.leave)
        return response

    return routes


def _events(services: Services, viewer: Viewer) -> Iterator[str]:
    """Yield events until the viewer goes, which writing to it tells, or the role stops."""
    yield "retry: 2000\n\n"
    said_s = time.monotonic()
    while not services.stopping.is_set():
        record = viewer.next(_SLICE_S)
        if record is not None:
            yield _event(record)
            services.metrics.results_streamed.inc()
        elif time.monotonic() - said_s < _SIGN_OF_LIFE_S:
            continue
        else:
            yield ": still here\n\n"
        said_s = time.monotonic()


def _event(record: FacesRecord) -> str:
    data = json.dumps(record.to_dict(), ensure_ascii=False, separators=(",", ":"))
    return f"id: {record.source}\nevent: result\ndata: {data}\n\n"
