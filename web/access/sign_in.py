"""How people sign in: with a name and a password, or with a link that works once; and how long it lasts."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from werkzeug.security import check_password_hash, generate_password_hash

from contracts.access import Role
from settings import Settings
from storage.sessions import Session, Sessions
from storage.users import User, Users
from web.access.remembered import remember
from web.access.secret import hash_of, new_secret

FIRST_ADMINISTRATOR = "admin"
LINK_LASTS = timedelta(hours=8)
_PASSWORDS_AT_ONCE = 2  # each takes 32 MiB and a core for a moment


def hash_password(password: str) -> str:
    """Return what is kept of a password: scrypt with a salt of its own."""
    return generate_password_hash(password)


@dataclass(frozen=True)
class OpenedSession:
    """A session that was just opened: the secret that the browser keeps, and until when it is good."""

    secret: str
    lasts: timedelta


class SignIn:
    """Signs people in and out."""

    def __init__(
        self,
        settings: Settings,
        users: Users,
        sessions: Sessions,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._lasts = timedelta(hours=settings.session_hours)
        self._users = users
        self._sessions = sessions
        self._now = now
        self._passwords = threading.Semaphore(_PASSWORDS_AT_ONCE)
        self._nobody = hash_password(new_secret())
        self._signed_in = remember(self._look_up)

    def with_password(self, name: str, password: str) -> User | None:
        """Return the user of this name and password, None when there is none. That takes as long for unknown names.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        user = self._users.get(name)
        with self._passwords:
            matches = check_password_hash(self._nobody if user is None else user.password, password)
        return user if matches else None

    def with_link(self, token: str) -> User | None:
        """Use up a link; return the administrator whom it signs in, None for one that is used, over or made up.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._users.oldest_administrator() if self._sessions.use_link(hash_of(token), self._now()) else None

    def open(self, user: User) -> OpenedSession:
        """Open a session for a user.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        secret = new_secret()
        self._sessions.open(hash_of(secret), Session(user.name, user.version, self._now() + self._lasts))
        return OpenedSession(secret, self._lasts)

    def user_of(self, secret: str) -> User | None:
        """Return who signed in with the session of this secret, None when it is over or made up.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._signed_in.get(hash_of(secret))

    def end(self, secret: str) -> None:
        """End a session.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        self._sessions.end(hash_of(secret))
        self.forget()

    def forget(self) -> None:
        """Look up everybody anew: something has changed."""
        self._signed_in.forget()

    def _look_up(self, secret_hash: str) -> User | None:
        session = self._sessions.get(secret_hash, self._now())
        user = None if session is None else self._users.get(session.user)
        return user if session is not None and user is not None and user.version == session.user_version else None


def add_first_administrator(users: Users, now: datetime) -> str | None:
    """Make the first user, an administrator, and return the password; None when there is a user already.

    Raises:
        UnavailableError: MongoDB does not answer.
    """
    if users.all():
        return None
    password = new_secret()[:20]
    user = User(FIRST_ADMINISTRATOR, Role.ADMINISTRATOR, hash_password(password), now)
    return password if users.add(user) else None


def new_link_token(sessions: Sessions, now: datetime) -> str:
    """Return a token that signs an administrator in, once.

    Raises:
        UnavailableError: MongoDB does not answer.
    """
    token = new_secret()
    sessions.add_link(hash_of(token), now + LINK_LASTS)
    return token
