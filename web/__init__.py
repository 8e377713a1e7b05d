"""The web front end: HTTP interface and pages. `python -m web` serves it; `create_app` builds it for tests."""

from web.app import create_app

__all__ = ["create_app"]
