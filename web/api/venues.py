"""`/api/venues`: how many are inside, when somebody knows better."""

from typing import Annotated

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import Field

from web.access import Role, note, requires
from web.api.openapi import describes
from web.api.records import Record, Time
from web.errors import RequestError
from web.services import Services

Venue = Annotated[str, Field(description="The venue, as lines of cameras name it.")]


class VenueReset(Record):
    """A venue whose count begins anew, and how many were thought to be inside."""

    venue: str
    inside_before: int
    at: Time


def blueprint(services: Services) -> Blueprint:
    """Return the routes of venues."""
    routes = Blueprint("venues", __name__, url_prefix="/api/venues")

    @routes.post("/<venue>/reset")
    @requires(Role.OPERATOR)
    @describes({200: VenueReset, 404: "No camera has counted into such a venue."})
    def reset(venue: Venue) -> ResponseReturnValue:
        """Say that nobody is inside: its count begins anew at zero."""
        done = services.venues.reset(venue)
        if done is None:
            raise RequestError(404, "no camera has counted into such a venue")
        note(venue=venue, inside_before=done["inside_before"])
        return done

    return routes
