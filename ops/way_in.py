"""How the one who started Crowdwatch gets in: a link that works once and, the first time, a password."""

from datetime import datetime, timezone
from urllib.parse import urlencode

from settings import Settings
from storage.client import connect
from storage.sessions import Sessions
from storage.users import Users
from web.access.sign_in import FIRST_ADMINISTRATOR, LINK_LASTS, add_first_administrator, new_link_token

_MONGODB_S = 5.0


def way_in(settings: Settings, url: str) -> list[str]:
    """Make the first administrator, where there is no user yet, and a link; return what is to be printed of both.

    Nothing while sign-in is off. What is returned is secret: show it to whoever asked, and write it to no log.

    Raises:
        UnavailableError: MongoDB does not answer.
    """
    if settings.auth == "off":
        return []
    with connect(settings, _MONGODB_S) as client:
        users, sessions = Users(client, settings), Sessions(client, settings)
        now = datetime.now(timezone.utc)
        password = add_first_administrator(users, now)
        token = new_link_token(sessions, now)
    hours = LINK_LASTS.total_seconds() / 3600
    lines = [f"Sign in, once, within {hours:.0f} hours: {url}/?{urlencode({'token': token})}"]
    if password is not None:
        lines.append(f"The administrator is {FIRST_ADMINISTRATOR}, the password {password} (shown this once)")
    return lines
