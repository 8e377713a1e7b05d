"""Errors of the HTTP interface: one JSON shape everywhere, `{"error": {"code", "message", "detail"}}`."""

import logging
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from contracts.errors import CrowdwatchError, UnavailableError

log = logging.getLogger(__name__)

_CODES = {
    400: "bad_request",
    401: "sign_in_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "too_large",
    414: "address_too_long",
    415: "unsupported_type",
    417: "expectation_failed",
    429: "too_many_requests",
    431: "headers_too_large",
    501: "not_implemented",
}
_MESSAGES = {
    404: "there is nothing at this address",
    413: "the body is larger than is accepted here",
}
_RETRY_AFTER_S = 2


class ErrorBody(BaseModel):
    """What went wrong: a word that programs may compare, a sentence for people, and more for programs."""

    code: str
    message: str
    detail: Any


class ErrorAnswer(BaseModel):
    """Every error has this shape."""

    error: ErrorBody


class RequestError(CrowdwatchError):
    """A request that cannot be answered as asked.

    Attributes:
        status: of the answer.
        code: a word that programs may compare.
        detail: more for programs, such as the names that are known; JSON types.
        retry_after_s: when it is worth to try again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        detail: Any = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or _CODES.get(status, "error")
        self.detail = detail
        self.retry_after_s = retry_after_s


def error_body(status: int, message: str, detail: Any = None, code: str | None = None) -> dict[str, Any]:
    """Return an error in the one shape, as JSON types."""
    return {"error": {"code": code or _CODES.get(status, "error"), "message": message, "detail": detail}}


def install(app: Flask) -> None:
    """Answer every error of `app` in the one shape; an error nobody foresaw is logged and shows nothing of itself."""
    app.register_error_handler(RequestError, _on_request_error)
    app.register_error_handler(UnavailableError, _on_unavailable)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_bug)


def _on_request_error(error: Exception) -> Response:
    assert isinstance(error, RequestError)
    response = _answer(error.status, error.code, str(error), error.detail)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _on_unavailable(error: Exception) -> Response:
    log.warning("%s %s: %s", request.method, request.path, error)
    response = _answer(503, "unavailable", "a server that this needs does not answer; try again", str(error))
    response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response


def _on_http_error(error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.code is None or error.code < 400:  # a redirect
        return error.get_response(request.environ)  # type: ignore[return-value]  # Flask sends any werkzeug response
    message = _MESSAGES.get(error.code, error.description or error.name)
    response = _answer(error.code, _CODES.get(error.code, "error"), message, None)
    for name, value in error.get_headers(request.environ):
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _on_bug(error: Exception) -> Response:
    log.error("%s %s broke", request.method, request.path, exc_info=error)
    return _answer(500, "internal", "something went wrong here; the log of the web role says what", None)


def _answer(status: int, code: str, message: str, detail: Any) -> Response:
    if wants_html():
        response = Response(render_template("error.html", status=status, message=message), mimetype="text/html")
    else:
        response = jsonify(error_body(status, message, detail, code))
    response.status_code = status
    return response


def wants_html() -> bool:
    """Whether a browser went to a page: programs, and whatever is called under `/api`, get JSON."""
    if request.path.startswith(("/api/", "/send", "/receive")) or request.method not in ("GET", "HEAD"):
        return False
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
