"""Addresses of cameras: which are allowed, and how they are shown without their secrets."""

from urllib.parse import SplitResult, urlsplit

from contracts.errors import ContractError

SCHEMES = ("rtsp", "rtsps", "http", "https")
FILE_SCHEME = "file"
MASK = "***"


def check_url(url: str) -> str:
    """Return the address of a camera, unchanged, if it is one.

    Raises:
        ContractError: it is no address, has no host, or its scheme is not allowed; the message shows no secret.
    """
    parts = _split(url)
    if parts.scheme == FILE_SCHEME:
        if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
            raise ContractError("camera: source: url of a file should be file:///folder/clip.mp4")
    elif parts.scheme not in SCHEMES:
        raise ContractError(
            f"camera: source: url should begin with one of {', '.join(SCHEMES)}, begins with {parts.scheme!r:.20}"
        )
    elif not parts.hostname:
        raise ContractError("camera: source: url should name a host, such as rtsp://192.168.1.20/stream")
    return url


def masked(url: str) -> str:
    """Return an address without user, password and the values of its query: `rtsp://***@host/live?key=***`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    host = parts.netloc.rpartition("@")[2]
    shown = parts._replace(
        netloc=f"{MASK}@{host}" if "@" in parts.netloc else host,
        query="&".join(f"{pair.partition('=')[0]}={MASK}" for pair in parts.query.split("&")) if parts.query else "",
        fragment="",
    )
    return shown.geturl()


def with_secrets_of(url: str, stored: str | None) -> str:
    """Return what is to be stored when `url` comes back from somebody who was shown `stored` masked.

    Raises:
        ContractError: the address has a mask and is not the one that was shown: a stored password is not sent to
            another host.
    """
    if stored is not None and url == masked(stored):
        return stored
    parts = _split(url)
    if parts.username == MASK or parts.password == MASK or f"={MASK}" in parts.query:
        raise ContractError("camera: source: url has changed: give its user and password (or key) again")
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ContractError("camera: source: url is no address") from error
    if not url.isprintable() or " " in url:
        raise ContractError("camera: source: url should be printable characters without spaces")
    return parts
