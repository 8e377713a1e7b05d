"""Files and folders that only their owner may read, and passwords that are made once and kept in such files."""

import os
import secrets
import stat
from pathlib import Path

PRIVATE_UMASK = 0o077
_PASSWORD_BYTES = 24
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone; readers see the old or the new text, whole."""
    partial = path.with_name(f"{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
    os.replace(partial, path)


def kept_password(path: Path) -> str:
    """Return the password that the file holds; make a random one where there is no such file."""
    try:
        kept = path.read_text("utf-8").strip()
    except FileNotFoundError:
        kept = ""
    if not kept:
        kept = secrets.token_urlsafe(_PASSWORD_BYTES)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, kept)
    return kept


def make_private(folder: Path) -> None:
    """Make a folder with all that it holds, and take every right from group and others.

    An earlier version left folders that everybody could read: what they hold is walked only then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.stat().st_mode & _OTHERS:
        return
    folder.chmod(0o700)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if mode & _OTHERS and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
