"""Signing in and out: a page that works without JavaScript, and the link that `crowdwatch up` prints."""

import re

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from settings import Settings
from storage.users import User
from web.access import Role, public, requires
from web.access.gate import SESSION_COOKIE, address, audit
from web.errors import RequestError
from web.services import Services

_PATH_HERE = re.compile(r"/(?![/\\])[^\\\x00-\x20]*")
_MAX_PATH = 2000
_MAX_GIVEN = 200


def blueprint(settings: Settings, services: Services) -> Blueprint:
    """Return the routes of signing in and out."""
    routes = Blueprint("sign_in", __name__)
    access = services.access

    @routes.get("/sign-in")
    @public()
    def page() -> ResponseReturnValue:
        if settings.auth == "off":
            return redirect(url_for("overview.page"), 303)
        token = request.args.get("token")
        if token is None:
            return render_template("sign_in.html", next=_next(request.args.get("next")))
        return let_in(access.sign_in.with_link(token[:_MAX_GIVEN]), "", "This link was used already, or is too old.")

    @routes.post("/sign-in")
    @public()
    def sign_in() -> ResponseReturnValue:
        name, password = (request.form.get(field, "")[:_MAX_GIVEN] for field in ("name", "password"))
        try:
            access.limits.refuse_after_failures(address(), name)
        except RequestError as error:
            return _refused(name, f"{str(error).capitalize()}. Try again in a minute.", 429)
        return let_in(access.sign_in.with_password(name, password), name, "There is no such name and password.")

    @routes.post("/sign-out")
    @requires(Role.VIEWER)
    def sign_out() -> Response:
        access.sign_in.end(request.cookies.get(SESSION_COOKIE, ""))
        response = make_response(redirect(url_for("sign_in.page"), 303))
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="Lax", secure=request.is_secure)
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    def let_in(user: User | None, name: str, problem: str) -> Response:
        """Open a session for whoever was recognised; else say what the problem is, and count it."""
        if user is None:
            access.limits.count_failure(address(), name or None)
            audit(access, name or "unknown", {"refused": problem})
            return _refused(name, problem, 403)
        opened = access.sign_in.open(user)
        audit(access, user.name, {})
        response = make_response(redirect(_next(request.values.get("next")), 303))
        response.set_cookie(
            SESSION_COOKIE,
            opened.secret,
            max_age=opened.lasts,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
        )
        return response

    return routes


def _refused(name: str, problem: str, status: int) -> Response:
    wanted = _next(request.values.get("next"))
    return make_response(render_template("sign_in.html", next=wanted, name=name, problem=problem), status)


def _next(path: str | None) -> str:
    """Return where to go after signing in: a path of this site, whatever was asked for."""
    if path is None or len(path) > _MAX_PATH or not _PATH_HERE.fullmatch(path):
        return url_for("overview.page")
    return path
