"""Redis goes away and comes back empty, while everything else stays."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from ops.ports import free_ports
from ops.servers.binaries import find_redis_server
from ops.servers.redis import redis_server
from samples import CLIP
from settings import Settings
from tests.integration.workers.conftest import wait_for_count

_AWAY_S = 3.0
_TELLS = "is tried until it does"


class OwnRedis:
    """A Redis of one test, which can be killed."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        (port,) = free_ports(1)
        self.settings = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"})
        self._server = redis_server(self.settings, folder / "redis", find_redis_server().path, port, os.environ)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting for it."""
        self._process = subprocess.Popen(self._server.command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """Kill -9 it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def own_redis(settings: Settings, tmp_path: Path) -> Iterator[OwnRedis]:
    """A Redis that runs, empty."""
    server = OwnRedis(settings, tmp_path)
    server.start()
    yield server
    server.kill()


def _until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_a_worker_that_lost_redis_tells_of_it_once_and_takes_tasks_when_it_is_back(
    own_redis, fleet, documents, foreign
):
    capture = cv2.VideoCapture(str(CLIP))
    picture = cv2.imencode(".jpg", capture.read()[1])[1].tobytes()
    capture.release()
    topic, fleet.settings = (
        own_redis.settings.topic_frames,
        own_redis.settings.model_copy(update={"cache_dir": fleet.settings.cache_dir, "worker_processes": 2}),
    )
    fleet.start("bridge", "worker", "sink")
    foreign.send(topic, picture, partition=0).get(60)
    wait_for_count(documents, 1)
    own_redis.kill()
    fleet.wait_for(_TELLS, "worker")
    for number in range(20):
        foreign.send(topic, picture, partition=number % 4).get(60)
    time.sleep(_AWAY_S)  # for several attempts
    own_redis.start()
    wait_for_count(documents, 21)
    assert fleet.log("worker").count(_TELLS) == 1
    _until(lambda: fleet.log("worker").count("Connected to redis") == 2, "it is the same worker, connected again")
