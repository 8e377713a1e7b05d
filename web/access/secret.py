"""Secrets that are made here: 256 random bits, of which only a hash is kept. That many need no slow hash."""

import hashlib
import secrets

_BYTES = 32


def new_secret() -> str:
    """Return a secret of letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(_BYTES)


def hash_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
