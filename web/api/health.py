"""`/healthz`, `/readyz` and `/metrics`, as every role serves them."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from web.services import Services


def blueprint(services: Services) -> Blueprint:
    """Return the routes of supervision."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> ResponseReturnValue:
        return {"status": "alive"}

    @routes.get("/readyz")
    def readyz() -> ResponseReturnValue:
        problems = services.readiness.problems()
        ready = not any(problems.values())
        body = {
            "status": "ready" if ready else "not ready",
            "needs": {name: problem is None for name, problem in problems.items()},
            "problems": {name: problem for name, problem in problems.items() if problem is not None},
        }
        return body, 200 if ready else 503

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(services.metrics.registry), content_type=CONTENT_TYPE_LATEST)

    return routes
