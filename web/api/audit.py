"""`/api/audit`: who changed what, when, from where."""

from typing import Any

from flask import Blueprint, Response, jsonify

from contracts.errors import ContractError
from contracts.times import to_rfc3339
from storage.audit import AuditEntry
from web.access import Role, requires
from web.api.openapi import describes
from web.api.records import Record, Time
from web.errors import RequestError
from web.parameters import Cursor, Query, described
from web.services import Services


class AuditQuery(Query):
    """Which changes are listed."""

    limit: int = described("How many at most.", default=50, ge=1, le=500)
    cursor: Cursor | None = described("The `next` of an earlier page.", default=None)


class AuditRecord(Record):
    """One change: who, what, where, from which address, and what else is known of it."""

    at: Time
    who: str
    what: str
    where: str
    address: str
    detail: dict[str, Any]


class AuditPage(Record):
    """Changes, newest first, and the cursor of the next page."""

    items: list[AuditRecord]
    next: str | None


def blueprint(services: Services) -> Blueprint:
    """Return the route of the audit log."""
    routes = Blueprint("audit", __name__, url_prefix="/api/audit")

    @routes.get("")
    @requires(Role.ADMINISTRATOR)
    @describes({200: AuditPage})
    def newest(query: AuditQuery) -> Response:
        """Changes, newest first."""
        try:
            entries, following = services.access.audit.newest(query.limit, query.cursor)
        except ContractError as error:
            raise RequestError(400, str(error)) from error
        return jsonify({"items": [_to_json(entry) for entry in entries], "next": following})

    return routes


def _to_json(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": to_rfc3339(entry.at),
        "who": entry.who,
        "what": entry.what,
        "where": entry.where,
        "address": entry.address,
        "detail": dict(entry.detail),
    }
