"""Who a client of `/receive` is: `?client=`, else a cookie that it was given."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from web import parameters

COOKIE = "crowdwatch_client"
_MAX_NAME = 100
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class Client:
    """A client's id in the collection of cursors, and the cookie to be set when it is new."""

    id: str
    new_cookie: str | None = None


def name_client(given: Mapping[str, str], cookies: Mapping[str, str]) -> Client:
    """Name the client of a request. Names and cookies are kept apart: none can be mistaken for the other.

    Raises:
        RequestError: 400, `?client=` is empty, too long or not printable.
    """
    name = parameters.printable(given, "client", default=None, max_length=_MAX_NAME)
    if name is not None:
        return Client(f"name/{name}")
    cookie = cookies.get(COOKIE, "")
    if _COOKIE_VALUE.fullmatch(cookie):
        return Client(f"cookie/{cookie}")
    cookie = secrets.token_urlsafe(16)
    return Client(f"cookie/{cookie}", new_cookie=cookie)
