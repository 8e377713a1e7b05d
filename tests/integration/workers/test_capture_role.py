"""The capture role, as a process, on cameras of the test's own: they come, change, die, come back and go."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from msgspec.structs import replace

from contracts.cameras import Camera, CameraSource
from settings import Settings
from storage.camera_states import CameraState, CameraStates, Capturing
from storage.camera_tests import CameraTests, PictureAnswer
from storage.cameras import Cameras
from storage.client import connect
from tests.cameras import CameraServer, camera_server
from tests.rtsp import RtspServer, encoded
from workers.capture_child import DEAF_S

JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
PASSWORD = "s3cret-word"
WITHIN_S = 30.0


class World:
    """The database, and how long to wait for it to be as it should."""

    def __init__(self, settings: Settings) -> None:
        self._client = connect(settings)
        self.cameras = Cameras(self._client, settings)
        self.states = CameraStates(self._client, settings)
        self.tests = CameraTests(self._client, settings)

    def wait_for(
        self, camera_id: str, accept: Callable[[CameraState | None], bool], within_s: float = WITHIN_S
    ) -> float:
        """Wait until a camera's state is as it should; return how long that took."""
        since = time.monotonic()
        while not accept(self.states.get(camera_id)):
            assert time.monotonic() - since < within_s, self.states.get(camera_id)
            time.sleep(0.1)
        return time.monotonic() - since

    def close(self) -> None:
        self._client.close()


def is_live(state: CameraState | None) -> bool:
    fresh = datetime.now(timezone.utc) - timedelta(seconds=4)
    return state is not None and state.state is Capturing.LIVE and state.fps > 0 and state.seen_at > fresh


def is_offline(state: CameraState | None) -> bool:
    return state is not None and state.state is Capturing.OFFLINE


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    world = World(settings)
    yield world
    world._client.drop_database(settings.mongodb_database)
    world.close()


def gate(server: CameraServer, camera_id: str = "gate-1", path: str = "/live", fps: float = 10.0) -> Camera:
    url = f"http://user:{PASSWORD}@127.0.0.1:{server.server_port}{path}"
    return Camera(camera_id, source=CameraSource(url, fps=fps))


@pytest.mark.acts("source.url", "source.fps", "source.enabled")
def test_a_camera_is_followed_through_its_life(fleet, world: World, tmp_path: Path) -> None:
    with camera_server([JPEG]) as server:
        port = server.server_port
        fleet.start("capture")
        fleet.wait_for("started", "capture")
        world.cameras.put(gate(server))
        assert world.wait_for("gate-1", is_live) < 10
        world.cameras.put(replace(gate(server, path="/other"), name="renamed", max_age_ms=5000))
        world.wait_for("gate-1", lambda state: "/other" in server.asked and is_live(state))
    assert world.wait_for("gate-1", is_offline) < 10
    state = world.states.get("gate-1")
    assert state is not None and "127.0.0.1" in str(state.error) and PASSWORD not in str(state)
    with camera_server([JPEG], port) as server:
        assert world.wait_for("gate-1", is_live) < 10
        world.wait_for("gate-1", lambda state: is_live(state) and state.fps > 6)
        world.cameras.put(gate(server, fps=2))
        world.wait_for("gate-1", lambda state: is_live(state) and state.fps < 4)
        world.cameras.put(replace(gate(server), source=replace(gate(server).source, enabled=False)))
        world.wait_for("gate-1", lambda state: state is None)
        question = world.tests.ask(gate(server).source.url, datetime.now(timezone.utc))
        assert wait_for_answer(world, question) == PictureAnswer(JPEG, None)
        question = world.tests.ask(f"http://u:{PASSWORD}@127.0.0.1:{port}/moved", datetime.now(timezone.utc))
        answer = wait_for_answer(world, question)
        assert answer.picture is None and "does not answer" in str(answer.error) and PASSWORD not in str(answer)
        assert "/inner" not in server.asked, "a redirect is not followed"
    assert set(fleet.stop().values()) == {0}
    assert PASSWORD not in fleet.log("capture")


@pytest.mark.acts("source.still_fps", "source.transport")
def test_the_rate_of_a_still_scene_and_the_transport_act_at_once(fleet, world: World) -> None:
    scene = encoded([np.full((48, 64, 3), 90, np.uint8)])
    with RtspServer(scene) as server:
        source = CameraSource(server.url, fps=10, transport="udp")
        world.cameras.put(Camera("gate-1", source=source))
        fleet.start("capture")
        world.wait_for("gate-1", lambda state: is_live(state) and state.fps > 6)
        assert set(server.played) == {"udp"}
        world.cameras.put(Camera("gate-1", source=replace(source, transport="tcp", still_fps=0.5)))
        world.wait_for("gate-1", lambda state: is_live(state) and state.fps < 1 and "tcp" in server.played)
        world.cameras.put(Camera("gate-1", source=replace(source, transport="tcp")))
        world.wait_for("gate-1", lambda state: is_live(state) and state.fps > 6)


def wait_until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for_answer(world: World, question: str) -> PictureAnswer:
    deadline = time.monotonic() + WITHIN_S
    while (answer := world.tests.take_answer(question)) is None:
        assert time.monotonic() < deadline, "nobody answers"
        time.sleep(0.1)
    return answer


def test_a_crash_and_a_killed_role_interrupt_for_a_moment(fleet, world: World) -> None:
    names = ("gate-1", "gate-2")
    with camera_server([JPEG]) as server:
        for name in names:
            world.cameras.put(gate(server, name))
        fleet.start("capture")
        for name in names:
            world.wait_for(name, is_live)
        role = psutil.Process(fleet._processes["capture"].pid)
        [child] = role.children()
        child.kill()
        wait_until(lambda: len(role.children()) == 2)
        for name in names:
            world.wait_for(name, is_live)
        orphans = role.children()
        role.kill()
        wait_until(lambda: not any(one.is_running() for one in orphans))
        time.sleep(4)  # what was said before is no longer fresh
        assert not any(is_live(world.states.get(name)) for name in names), "nothing captures without its parent"
        fleet.kill("capture")
        fleet.start("capture")
        for name in names:
            world.wait_for(name, is_live)


def test_a_process_that_stands_still_is_replaced_and_the_role_captures_on(fleet, world: World) -> None:
    with camera_server([JPEG]) as server:
        world.cameras.put(gate(server))
        fleet.start("capture")
        world.wait_for("gate-1", is_live)
        role = psutil.Process(fleet._processes["capture"].pid)
        [child] = role.children()
        child.suspend()
        world.cameras.put(gate(server, "gate-2"))  # an order that is not read
        world.wait_for("gate-1", is_offline)
        for name in ("gate-1", "gate-2"):
            world.wait_for(name, is_live, DEAF_S + WITHIN_S)
        assert child.pid not in [one.pid for one in role.children()] and len(role.children()) == 2
