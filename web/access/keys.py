"""Keys of programs: `cw_<id>_<secret>`, sent as `Authorization: Bearer …`."""

import hmac
import re
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from contracts.access import Role
from storage.api_keys import ApiKey, ApiKeys
from web.access.remembered import remember
from web.access.secret import hash_of, new_secret

_KEY = re.compile(r"cw_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{20,100})")
_NOTED_EVERY = timedelta(minutes=1)


class Keys:
    """Makes keys, and tells whose a key is."""

    def __init__(self, stored: ApiKeys, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._stored = stored
        self._now = now
        self._known = remember(stored.get)
        self._lock = threading.Lock()
        self._noted: dict[str, datetime] = {}

    def make(
        self, name: str, role: Role, cameras: frozenset[str] | None, created_by: str, expires_at: datetime | None
    ) -> tuple[ApiKey, str]:
        """Make a key; return it, and its text, which is not kept.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        secret = new_secret()
        key = ApiKey(
            id=secrets.token_hex(6),
            name=name,
            secret_hash=hash_of(secret),
            role=role,
            cameras=cameras,
            created_by=created_by,
            created_at=self._now(),
            expires_at=expires_at,
        )
        self._stored.add(key)
        return key, f"cw_{key.id}_{secret}"

    def find(self, text: str) -> ApiKey | None:
        """Return the key with this text, None when it is made up, over or revoked.

        Raises:
            UnavailableError: MongoDB does not answer, and the key was not seen lately.
        """
        parts = _KEY.fullmatch(text)
        key = None if parts is None else self._known.get(parts["id"])
        if parts is None or key is None or not hmac.compare_digest(key.secret_hash, hash_of(parts["secret"])):
            return None
        if key.expires_at is not None and key.expires_at <= self._now():
            return None
        return key

    def note_use(self, key: ApiKey) -> None:
        """Note that a key was used, once a minute.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        now = self._now()
        with self._lock:
            before = self._noted.get(key.id)
            if before is not None and now - before < _NOTED_EVERY:
                return
            self._noted[key.id] = now
        self._stored.used(key.id, now)

    def revoke(self, key_id: str) -> bool:
        """Revoke a key; False when there is none of this id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        revoked = self._stored.remove(key_id)
        self._known.forget()
        return revoked
