"""Web applications on real servers: several in one process, as if they were several processes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from contracts.errors import UnavailableError
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.offsets import OffsetRange, SourceOffset
from contracts.times import from_rfc3339
from messaging.producer import Producer
from settings import Settings
from storage.client import connect
from storage.results import Results
from web import create_app
from web.services import Services

READY_S = 60


@dataclass
class Web:
    """One web process: its application and what it calls."""

    app: Flask
    services: Services

    def client(self) -> FlaskClient:
        """A client with cookies of its own."""
        return self.app.test_client()

    def sample(self, name: str) -> float:
        """The value of a metric without labels."""
        value = self.services.metrics.registry.get_sample_value(name)
        assert value is not None, name
        return value

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds: what is done beside a request is done soon after it."""
        deadline_s = time.monotonic() + READY_S
        while not condition():
            assert time.monotonic() < deadline_s
            time.sleep(0.01)

    def wait_for(self, *needs: str) -> None:
        """Return when these needs are met; asked one by one, as the role keeps its own answer for a second."""
        deadline_s = time.monotonic() + READY_S
        for need in needs:
            while True:
                try:
                    self.services.readiness._checks[need]()
                except UnavailableError:
                    assert time.monotonic() < deadline_s, self.services.readiness.problems()
                    time.sleep(0.02)
                else:
                    break


@pytest.fixture
def start_web(settings: Settings) -> Iterator[Callable[..., Web]]:
    """Return a function that starts a web process, ready unless told not to wait, with settings changed as told."""
    started: list[Services] = []

    def start(*, wait: bool = True, **changes: object) -> Web:
        own = settings.model_copy(update=changes)
        services = Services.build(own, CollectorRegistry())
        started.append(services)
        services.start()
        web = Web(create_app(own, services), services)
        if wait:
            web.wait_for("prepared", "follower")
        return web

    yield start
    for services in started:
        services.close()
    mongo = connect(settings)
    mongo.drop_database(settings.mongodb_database)
    mongo.close()


@pytest.fixture
def web(start_web: Callable[..., Web]) -> Web:
    """One web process that is ready."""
    return start_web()


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    """A producer beside the web's own."""
    producer = Producer(settings)
    producer.start()
    yield producer
    producer.close()


class Detector:
    """Stands where worker and sink stand: publishes results, and stores them."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._settings = settings
        self._producer = producer
        self._mongo = connect(settings)
        self._results = Results(self._mongo, settings)

    def result(self, source: SourceOffset, camera_id: str = "gate-1", second: int = 0, faces: int = 1) -> FacesRecord:
        """Make the result of a frame that was captured at so many seconds."""
        at = from_rfc3339(f"2026-11-23T21:30:{second:02}.000Z")
        return FacesRecord(
            source=source,
            camera_id=camera_id,
            frame_id=source.offset,
            captured_at=at,
            detected_at=at,
            status=Status.OK,
            faces=tuple(Face(number, BoundingBox(1, 2, 3, 4), 0.75) for number in range(faces)),
            image=ImageSize(64, 48),
            model=ModelInfo("yolov3-face-lite", "1", 0.5),
            inference_ms=1.5,
        )

    def publish(self, record: FacesRecord) -> None:
        """Write a result to the log."""
        settles = OffsetRange(record.source.offset, record.source.offset + 1).encode()
        sent = self._producer.send(
            self._settings.topic_faces,
            record.encode(),
            partition=record.source.partition,
            headers=[("settles", settles)],
        )
        sent.result(10)

    def store(self, *records: FacesRecord) -> None:
        """Write results to MongoDB."""
        self._results.replace_many(records)

    def close(self) -> None:
        """Disconnect."""
        self._mongo.close()


@pytest.fixture
def detector(settings: Settings, producer: Producer) -> Iterator[Detector]:
    """What answers frames, by hand."""
    detector = Detector(settings, producer)
    yield detector
    detector.close()
