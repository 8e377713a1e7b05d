"""Flower's sign-in on one machine: made once, and kept in the data directory for its owner alone."""

import secrets
from pathlib import Path

from ops.private_files import write_private

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
        write_private(folder / _FILE, sign_in)
    return sign_in


def kept_sign_in(folder: Path) -> str | None:
    """Return the sign-in that is kept in the data directory, None where none was made."""
    try:
        return (folder / _FILE).read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
