"""Records, and an application whose services are not connected."""

from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry

from contracts.faces import BoundingBox, Face, FacesRecord, Status
from contracts.offsets import SourceOffset
from settings import Settings
from web import create_app
from web.services import Services

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)


@pytest.fixture
def make_record() -> Callable[..., FacesRecord]:
    """Return a function that makes the result of a frame with so many faces."""

    def make(offset: int = 0, *, camera_id: str = "gate-1", faces: int = 0, captured_at: datetime = AT) -> FacesRecord:
        return FacesRecord(
            source=SourceOffset("frames", 0, offset),
            camera_id=camera_id,
            frame_id=offset,
            captured_at=captured_at,
            detected_at=captured_at,
            status=Status.OK,
            faces=tuple(Face(number, BoundingBox(1, 2, 3, 4), 0.5) for number in range(faces)),
        )

    return make


@pytest.fixture(scope="session")
def app() -> Iterator[Flask]:
    """The application as it is before any server answered."""
    settings = Settings(auth="off")
    services = Services.build(settings, CollectorRegistry())
    yield create_app(settings, services)
    services.close()
