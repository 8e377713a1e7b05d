"""Who a client of `/receive` is: `?client=`, else its API key, else a cookie that it was given."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

COOKIE = "crowdwatch_client"
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class Client:
    """A client's id in the collection of cursors, and the cookie to be set when it is new."""

    id: str
    new_cookie: str | None = None


def name_client(name: str | None, key: str | None, cookies: Mapping[str, str]) -> Client:
    """Name the client of a request that gives this `name`, or comes with a key of this id.

    Names, keys and cookies are kept apart: none can be mistaken for another.
    """
    if name is not None:
        return Client(f"name/{name}")
    if key is not None:
        return Client(f"key/{key}")
    cookie = cookies.get(COOKIE, "")
    if _COOKIE_VALUE.fullmatch(cookie):
        return Client(f"cookie/{cookie}")
    cookie = secrets.token_urlsafe(16)
    return Client(f"cookie/{cookie}", new_cookie=cookie)
