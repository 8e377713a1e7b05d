"""All that decides who may call, as one service."""

from collections.abc import Callable
from dataclasses import dataclass

from settings import Settings
from storage.api_keys import ApiKeys
from storage.audit import AuditLog
from storage.client import Connection
from storage.sessions import Sessions
from storage.users import Users
from web.access.keys import Keys
from web.access.limits import RateLimits
from web.access.sign_in import SignIn


@dataclass(frozen=True)
class Access:
    """Users, sessions, keys, limits and the log of changes."""

    users: Users
    sessions: Sessions
    stored_keys: ApiKeys
    sign_in: SignIn
    keys: Keys
    limits: RateLimits
    audit: AuditLog

    @classmethod
    def build(cls, mongo: Connection, settings: Settings) -> "Access":
        """Put it together; nothing connects yet."""
        users, sessions, keys = Users(mongo, settings), Sessions(mongo, settings), ApiKeys(mongo, settings)
        return cls(
            users=users,
            sessions=sessions,
            stored_keys=keys,
            sign_in=SignIn(settings, users, sessions),
            keys=Keys(keys),
            limits=RateLimits(settings),
            audit=AuditLog(mongo, settings),
        )

    @property
    def indexes(self) -> dict[str, Callable[[], None]]:
        """What is to be prepared in MongoDB."""
        return {"indexes of sessions": self.sessions.ensure_indexes, "indexes of audit": self.audit.ensure_indexes}

    def close(self) -> None:
        """Disconnect."""
        self.limits.close()
