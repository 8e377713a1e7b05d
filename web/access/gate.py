"""The gate that every request passes: the rule of its route, held against who calls."""

import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from contracts.errors import UnavailableError
from settings import Settings
from storage.audit import AuditEntry
from web.access.principal import LOCAL, Principal
from web.access.rules import Rule, check_every_route, rule_of
from web.access.service import Access
from web.errors import RequestError, wants_html
from web.security import SAFE_METHODS, refuse_unknown_origin

log = logging.getLogger(__name__)

SESSION_COOKIE = "crowdwatch_session"


def install(app: Flask, settings: Settings, access: Access) -> None:
    """Guard every route of `app`. Call it when all are registered.

    Raises:
        ConfigurationError: a route has no rule.
    """
    check_every_route(app)

    def check() -> ResponseReturnValue | None:
        if request.endpoint is None:  # nothing is at this address, or not for this method
            return None
        rule = rule_of(app, request.endpoint)
        if rule is not None and rule.role is None:
            return None
        g.principal = LOCAL if settings.auth == "off" else _identify(access)
        if g.principal is None:
            if wants_html():
                return _to_sign_in()
            raise RequestError(401, "sign in, or send a key as `Authorization: Bearer cw_…`")
        if settings.auth != "off":
            access.limits.count_request(g.principal.key or g.principal.name)
        _refuse_less(g.principal, rule)
        return None

    def write_down(response: Response) -> Response:
        rule = None if request.endpoint is None else rule_of(app, request.endpoint)
        if rule is not None and rule.audited and request.method not in SAFE_METHODS and response.status_code < 400:
            caller = principal()
            by = {} if caller.key is None else {"by_key": caller.key}
            audit(access, caller.name, {**by, **g.get("noted", {})})
        return response

    app.before_request(check)
    app.after_request(write_down)


def principal() -> Principal:
    """Who calls, in a view that is not public."""
    found = g.principal
    assert isinstance(found, Principal)
    return found


def note(**detail: Any) -> None:
    """Say more of what this request changes, in JSON types, for the log of changes. No secrets."""
    g.noted = {**g.get("noted", {}), **detail}


def audit(access: Access, who: str, detail: Mapping[str, Any]) -> None:
    """Write down what this request changes. When that is not possible the change stands, and the role's log has it."""
    entry = AuditEntry(
        at=datetime.now(timezone.utc),
        who=who,
        what=f"{request.endpoint}",
        where=f"{request.method} {request.path}",
        address=address(),
        detail=detail,
    )
    try:
        access.audit.add(entry)
    except UnavailableError as error:
        log.warning("a change is not in the audit log: %s: %s", entry, error)


def address() -> str:
    """Where this request comes from."""
    return request.remote_addr or "unknown"


def _identify(access: Access) -> Principal | None:
    """Return who sent this request: by its key, else by its session.

    Raises:
        RequestError: 401, the key is none; 403, a browser does not say which page sent a change; 429, an address tried
            too many keys.
    """
    if "Authorization" in request.headers:
        return _by_key(access, request.headers["Authorization"])
    user = access.sign_in.user_of(request.cookies[SESSION_COOKIE]) if SESSION_COOKIE in request.cookies else None
    if user is None:
        return None
    if request.method not in SAFE_METHODS:
        refuse_unknown_origin()
    return Principal(user.name, user.role)


def _by_key(access: Access, header: str) -> Principal:
    scheme, _, text = header.partition(" ")
    key = access.keys.find(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        access.limits.refuse_after_failures(address())
        access.limits.count_failure(address())
        raise RequestError(401, "there is no such key; it may be over or revoked", code="bad_key")
    try:
        access.keys.note_use(key)
    except UnavailableError as error:
        log.debug("cannot note that a key was used: %s", error)
    return Principal(f"key {key.name}", key.role, key.id, key.cameras)


def _to_sign_in() -> ResponseReturnValue:
    wanted = {"next": request.full_path.rstrip("?")}
    if "token" in request.args:
        rest = {name: value for name, value in request.args.items() if name != "token"}
        wanted = {"token": request.args["token"], "next": f"{request.path}{'?' if rest else ''}{urlencode(rest)}"}
    return redirect(f"{url_for('sign_in.page')}?{urlencode(wanted)}", 303)


def _refuse_less(caller: Principal, rule: Rule | None) -> None:
    """Refuse a caller whose role does not suffice, or whose key is for other cameras.

    Raises:
        RequestError: 403, it is so.
    """
    if rule is None or rule.role is None:
        raise RequestError(403, "nobody may call this")
    if not caller.role.covers(rule.role):
        raise RequestError(
            403, f"this needs the role {rule.role.value}, {caller.name} is {caller.role.value}", code="role"
        )
    if caller.cameras is None:
        return
    if rule.camera is None:
        raise RequestError(403, "a key that is for some cameras cannot call this", code="camera")
    path = (request.view_args or {}).get(rule.camera)
    asked = request.args.getlist(rule.camera) if path is None else [path]
    if len(asked) != 1 or asked[0] not in caller.cameras:
        known = sorted(caller.cameras)
        raise RequestError(
            403, f"{rule.camera} should be one of {', '.join(known):.200}", code="camera", detail={"known": known}
        )
