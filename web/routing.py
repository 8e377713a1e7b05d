"""Camera ids in addresses: any text, a slash included."""

import unicodedata

from flask import Flask, request
from werkzeug.routing import BaseConverter


class CameraIdConverter(BaseConverter):
    """A camera's id, which may hold slashes, also at its ends and side by side."""

    regex = r"[\s\S]+?"
    part_isolating = False
    weight = 200

    def to_python(self, value: str) -> str:
        """Return the id in NFC, as every camera's id is."""
        return unicodedata.normalize("NFC", value)


def install(app: Flask) -> None:
    """Let routes name `<camera:…>`."""
    app.url_map.converters["camera"] = CameraIdConverter
    app.url_map.merge_slashes = False


def ends_escaped(suffix: str) -> bool:
    """Whether this request's path ends with `suffix` as a part of an id: its slash was sent as %2F.

    Servers decode the path before it is routed; the address as it was sent tells the difference.
    """
    sent: str = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or ""
    return sent.partition("?")[0].lower().endswith(f"%2f{suffix}")
