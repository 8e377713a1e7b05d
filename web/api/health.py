"""`/healthz`, `/readyz` and `/metrics`, as every role serves them."""

from typing import Literal

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from settings import Settings
from settings.model import is_loopback
from web.access import Role, public, requires
from web.api.openapi import Answer, Content, describes
from web.api.records import Record
from web.services import Services

_TEXT = Content({"text/plain": {"type": "string"}})


class Alive(Record):
    """The process answers."""

    status: Literal["alive"]


class Readiness(Record):
    """Whether each thing that is needed is there, and what is wrong with those that are not."""

    status: Literal["ready", "not ready"]
    needs: dict[str, bool]
    problems: dict[str, str]


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of supervision.

    This machine is told more than others are: metrics say what a site is busy with, problems where its servers are.
    """
    routes = Blueprint("health", __name__)
    this_machine_alone = is_loopback(settings.web_host)
    who_measures = public() if this_machine_alone else requires(Role.VIEWER)

    @routes.get("/healthz")
    @public()
    @describes({200: Alive})
    def healthz() -> ResponseReturnValue:
        """Whether the process lives."""
        return {"status": "alive"}

    @routes.get("/readyz")
    @public()
    @describes(
        {
            200: Readiness,
            503: Answer("Something that is needed is not there.", Content({"application/json": Readiness})),
        }
    )
    def readyz() -> ResponseReturnValue:
        """Whether everything that is needed is there."""
        problems = services.readiness.problems()
        ready = not any(problems.values())
        body = {
            "status": "ready" if ready else "not ready",
            "needs": {name: problem is None for name, problem in problems.items()},
            "problems": {
                name: problem if this_machine_alone else "it is not there"
                for name, problem in problems.items()
                if problem is not None
            },
        }
        return body, 200 if ready else 503

    @routes.get("/metrics")
    @who_measures
    @describes({200: Answer("Metrics in the text format of Prometheus.", _TEXT)})
    def metrics() -> Response:
        """The metrics of this process."""
        return Response(generate_latest(services.metrics.registry), content_type=CONTENT_TYPE_LATEST)

    return routes
