"""`/api/keys`: keys of programs."""

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from pydantic import AwareDatetime, Field

from contracts.times import to_rfc3339
from storage.api_keys import ApiKey
from web.access import Role, note, principal, requires
from web.api.openapi import Answer, Content, describes
from web.api.records import Record, Time
from web.errors import RequestError
from web.parameters import Body, CameraName, Printable
from web.services import Services

_LASTS_AT_MOST = timedelta(days=100 * 365)

KeyId = Annotated[str, Field(description="The key's id, the part after `cw_`.")]


class NewKey(Body):
    """What a key is for. `cameras` limits it to calls that name one of these; `expires_at` in time."""

    name: Annotated[Printable, Field(min_length=1, max_length=100)]
    role: Role
    cameras: Annotated[list[CameraName], Field(min_length=1, max_length=1000)] | None = None
    expires_at: AwareDatetime | None = None


class KeyRecord(Record):
    """A key, without its secret."""

    id: str
    name: str
    role: Role
    cameras: list[str] | None
    created_by: str
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None


class MadeKey(KeyRecord):
    """A key that was just made. `key` is shown this once."""

    key: str


class KeyList(Record):
    """Every key, the newest first."""

    items: list[KeyRecord]


def blueprint(services: Services) -> Blueprint:
    """Return the routes of keys."""
    routes = Blueprint("keys", __name__, url_prefix="/api/keys")

    @routes.get("")
    @requires(Role.ADMINISTRATOR)
    @describes({200: KeyList})
    def list_keys() -> Response:
        """Every key."""
        return jsonify({"items": [_to_json(key) for key in services.access.stored_keys.all()]})

    @routes.post("")
    @requires(Role.ADMINISTRATOR)
    @describes({201: Answer("The key was made.", Content({"application/json": MadeKey}))})
    def make_key(body: NewKey) -> ResponseReturnValue:
        """Make a key."""
        now = datetime.now(timezone.utc)
        if body.expires_at is not None and not now < body.expires_at < now + _LASTS_AT_MOST:
            raise RequestError(400, "expires_at should be later than now, and within a hundred years")
        cameras = None if body.cameras is None else frozenset(body.cameras)
        key, text = services.access.keys.make(body.name, body.role, cameras, principal().name, body.expires_at)
        note(key=key.id, name=key.name, role=key.role.value, cameras=None if cameras is None else sorted(cameras))
        return _to_json(key) | {"key": text}, 201

    @routes.delete("/<key_id>")
    @requires(Role.ADMINISTRATOR)
    @describes({204: "The key is revoked.", 404: "There is no such key."})
    def revoke_key(key_id: KeyId) -> ResponseReturnValue:
        """Revoke a key. Other web processes may accept it for 3 s more."""
        if not services.access.keys.revoke(key_id):
            raise RequestError(404, f"there is no key {key_id!r:.40}")
        return "", 204

    return routes


def _to_json(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "cameras": None if key.cameras is None else sorted(key.cameras),
        "created_by": key.created_by,
        "created_at": to_rfc3339(key.created_at),
        "expires_at": None if key.expires_at is None else to_rfc3339(key.expires_at),
        "last_used_at": None if key.last_used_at is None else to_rfc3339(key.last_used_at),
    }
