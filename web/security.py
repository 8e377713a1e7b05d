"""What every answer carries against abuse by other sites, and which requests are refused for it."""

from urllib.parse import urlsplit

from flask import Flask, Response, request

from settings import Settings
from settings.model import is_loopback
from web.errors import RequestError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CHANGES_BY_GET = frozenset({"messages.receive"})
_HTTPS_ONLY = "max-age=31536000"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def install(app: Flask, settings: Settings) -> None:
    """Refuse what other sites send through a visitor's browser, and set the security headers of every answer."""
    loopback_only = is_loopback(settings.web_host)

    def check() -> None:
        if loopback_only:
            refuse_foreign_host()
        if request.method not in SAFE_METHODS or request.endpoint in _CHANGES_BY_GET:
            refuse_foreign_origin()

    app.before_request(check)
    app.after_request(_set_headers)


def refuse_foreign_host() -> None:
    """While only this machine is served, a name that is not this machine's comes from a page that rebinds DNS.

    Raises:
        RequestError: 403, the host that is asked for is not a name of this machine.
    """
    try:
        name = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        name = ""
    if not is_loopback(name):
        raise RequestError(403, f"this is served to this machine alone, not as {request.host!r:.80}", code="host")


def refuse_foreign_origin() -> None:
    """Refuse a request that changes something when a browser sends it for another site. Programs send no such header.

    Raises:
        RequestError: 403, the request comes from a page of another origin.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    elif origin is not None:
        foreign = origin.lower() != f"{request.scheme}://{request.host}".lower()
    else:
        foreign = False
    if foreign:
        raise RequestError(403, "refused: sent from a page of another site", code="cross_site")


def refuse_unknown_origin() -> None:
    """Refuse a change that comes with a session and does not say of which page: every browser that is kept says it.

    Raises:
        RequestError: 403, neither `Sec-Fetch-Site` nor `Origin` is there.
    """
    if "Sec-Fetch-Site" not in request.headers and "Origin" not in request.headers:
        raise RequestError(
            403, "refused: the browser does not say which page sends this; programs send a key", code="cross_site"
        )


def _set_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", _HTTPS_ONLY)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
