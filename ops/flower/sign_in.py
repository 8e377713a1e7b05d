"""Flower's sign-in on one machine: made once, and kept in the data directory for its owner alone."""

import os
import secrets
from pathlib import Path

NAME = "crowdwatch"
_FILE = "flower-sign-in"
_PASSWORD_BYTES = 18


def ensure_sign_in(folder: Path) -> str:
    """Return the sign-in of the data directory `folder`, `name:password`; it is made where there is none."""
    kept = kept_sign_in(folder)
    if kept is not None:
        return kept
    made = f"{NAME}:{secrets.token_urlsafe(_PASSWORD_BYTES)}"
    partial = folder / f"{_FILE}.partial"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(made)
    os.replace(partial, folder / _FILE)
    return made


def kept_sign_in(folder: Path) -> str | None:
    """Return the sign-in that is kept in the data directory, None where none was made."""
    try:
        return (folder / _FILE).read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
