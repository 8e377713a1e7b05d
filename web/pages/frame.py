"""What the frame of every page shows: where one can go, who is signed in, and where the static files are."""

import hashlib
from pathlib import Path
from typing import Any

from flask import Flask, g, request

from settings import Settings
from web.access.principal import Principal

_PAGES = (
    ("overview.page", "Overview"),
    ("pages.analytics", "Analytics"),
    ("pages.alerts", "Alerts"),
    ("pages.uploads", "Uploads"),
    ("pages.messages", "Messages"),
    ("pages.system", "System"),
    ("pages.configuration", "Settings"),
)
_YEAR_S = 365 * 24 * 3600


def static_path() -> str:
    """Return the path of the static files, with a hash of all of them in it.

    The modules of a page import each other by relative names, so one hash stands for the whole set: what a browser has
    kept of it is right for ever.
    """
    folder = Path(__file__).parent.parent / "static"
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return f"/static/{digest.hexdigest()}"


def install(app: Flask, settings: Settings) -> None:
    """Give every template of `app` what the frame needs."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = _YEAR_S

    @app.context_processor
    def values() -> dict[str, Any]:
        caller = g.get("principal")
        return {
            "pages": _PAGES,
            "here": "overview.page" if request.endpoint == "pages.camera" else request.endpoint,
            "caller": caller if isinstance(caller, Principal) else None,
            "signs_in": settings.auth != "off",
        }
