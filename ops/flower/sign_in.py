"""Flower's sign-in on one machine: made once, and kept in the data directory for its owner alone."""

import os
import secrets
from pathlib import Path

NAME = "crowdwatch"
_FILE = "flower-sign-in"
_PASSWORD_BYTES = 18


def ensure_sign_in(folder: Path, given: str | None = None) -> str:
    """Return Flower's sign-in, `name:password`, and keep it in the data directory `folder`.

    It is the one that was given, else the one that is kept, else a new one.
    """
    kept = kept_sign_in(folder)
    sign_in = given or kept or f"{NAME}:{secrets.token_urlsafe(_PASSWORD_BYTES)}"
    if sign_in != kept:
        partial = folder / f"{_FILE}.partial"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(sign_in)
        os.replace(partial, folder / _FILE)
    return sign_in


def kept_sign_in(folder: Path) -> str | None:
    """Return the sign-in that is kept in the data directory, None where none was made."""
    try:
        return (folder / _FILE).read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
