"""Processes that capture: which camera is where, what is done about one that dies, is deaf, or says nothing."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from contracts.cameras import Camera, CameraSource, ZoneSettings
from settings import Settings
from workers.capture_child import DEAF_S
from workers.capture_children import CAMERAS_IN_ONE, PROBATION_S, CaptureChildren

CHILD = """
import json, os, sys, threading, time

cameras, orders, mute = set(), 0, False

def report():
    while not mute:
        time.sleep(0.01)
        live = {"live": True, "taken": 1, "fps": 1.0, "error": None}
        print(json.dumps({"cameras": dict.fromkeys(sorted(cameras), live), "orders": orders}), flush=True)

threading.Thread(target=report, daemon=True).start()
for line in sys.stdin:
    order = json.loads(line)
    if "drop" in order:
        cameras.discard(order["drop"])
    else:
        camera_id = order["capture"]["camera_id"]
        cameras.add(camera_id)
        mute = camera_id.startswith("mute")
        if camera_id.startswith("rubbish"):
            os.write(1, b'\\xff\\xfe\\n{"cameras": 1}\\n{"cameras": {"a": {}}, "orders": 1}\\n')
            os.write(1, b"[" * 100000 + b"\\n")
        if camera_id.startswith("deaf"):
            time.sleep(100)
        if camera_id.startswith("slow to end"):
            sys.stdin.read()
            time.sleep(100)
        if camera_id.startswith("crash"):
            os._exit(7)
    orders += 1
"""


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class World:
    """Children whose parent looks again and again."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.children = CaptureChildren(Settings(), (sys.executable, "-c", CHILD), self.clock)
        self.cameras: dict[str, Camera] = {}

    def add(self, *names: str) -> None:
        self.cameras |= {name: Camera(name, source=CameraSource("rtsp://camera.example/live")) for name in names}

    def look_until(self, condition: Callable[[], bool], within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, (self.shares(), self.children.reports())
            self.children.capture(self.cameras)
            time.sleep(0.01)

    def look_until_live(self) -> None:
        self.look_until(lambda: self.live() == set(self.cameras))

    def live(self) -> set[str]:
        return {name for name, report in self.children.reports().items() if report.live}

    def shares(self) -> list[list[str]]:
        return [sorted(child.cameras) for child in self.children._children]

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps, in each of which every process that reports is heard."""
        until_s = self.clock.now_s + seconds
        while self.clock.now_s < until_s:
            self.clock.now_s += 4.0
            deadline = time.monotonic() + 0.05
            while time.monotonic() < deadline:
                time.sleep(0.01)
            self.children.capture(self.cameras)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    for pid in world.children.pids():
        os.kill(pid, signal.SIGKILL)
    world.children.close()


def test_cameras_share_processes_and_follow_their_documents(world: World) -> None:
    world.add(*(f"gate-{number}" for number in range(CAMERAS_IN_ONE + 2)))
    world.look_until_live()
    assert [len(share) for share in world.shares()] == [CAMERAS_IN_ONE, 2]
    for name in world.shares()[1]:
        del world.cameras[name]
    world.look_until(lambda: len(world.shares()) == 1 and not world.children._leaving)
    assert world.live() == set(world.cameras)


def test_after_a_crash_each_is_alone_for_a_while_and_shares_again(world: World) -> None:
    world.add(*(f"gate-{number:02}" for number in range(60)))
    world.look_until_live()
    processes = len(world.shares())
    assert processes == 8
    victims = set(world.shares()[0])
    os.kill(world.children.pids()[0], signal.SIGKILL)
    world.look_until(lambda: victims.isdisjoint(world.live()))
    assert "signal 9" in str(world.children.reports()[min(victims)].error)
    world.clock.now_s += 1.5
    world.look_until_live()
    assert len(world.shares()) == processes - 1 + CAMERAS_IN_ONE
    assert all([name] in world.shares() for name in victims)
    world.pass_time(PROBATION_S / 2)
    assert all([name] in world.shares() for name in victims), "not before it has stayed well for a while"
    world.pass_time(PROBATION_S / 2)
    world.look_until(lambda: len(world.shares()) == processes and not world.children._leaving)
    world.look_until_live()


def test_one_that_crashes_again_and_again_stays_alone_and_its_neighbours_do_not(world: World) -> None:
    world.add("gate-1", "gate-2")
    world.look_until_live()
    world.add("crash")
    world.look_until(lambda: "crash" in world.children._crashes)
    world.pass_time(PROBATION_S + 24)
    world.look_until(lambda: ["gate-1", "gate-2"] in world.shares() and world.live() == {"gate-1", "gate-2"})
    pids = world.children.pids()
    world.pass_time(60)
    assert ["gate-1", "gate-2"] in world.shares() and set(pids) & set(world.children.pids())
    assert "exit code 7" in str(world.children.reports()["crash"].error)


def test_one_that_crashes_soon_after_its_release_is_alone_for_longer(world: World) -> None:
    world.add("gate-1", "gate-2")
    for probation_s in (PROBATION_S, 2 * PROBATION_S):
        world.look_until_live()
        os.kill(world.children.pids()[0], signal.SIGKILL)
        world.look_until(lambda: len(world.children._crashes) == 2)
        world.clock.now_s += 3
        world.look_until_live()
        assert world.shares() == [["gate-1"], ["gate-2"]]
        world.pass_time(probation_s - 10)
        assert world.shares() == [["gate-1"], ["gate-2"]]
        world.pass_time(20)
        world.look_until(lambda: world.shares() == [["gate-1", "gate-2"]])


@pytest.mark.parametrize(("name", "reason"), [("deaf", "read no order"), ("mute", "reported nothing")])
def test_one_that_is_deaf_or_says_nothing_is_replaced(world: World, name: str, reason: str) -> None:
    world.add("gate-1")
    world.look_until_live()
    world.add(name)
    world.pass_time(DEAF_S - 6)
    assert world.shares() == [["gate-1", name] if name > "gate-1" else [name, "gate-1"]]
    world.pass_time(20)
    world.look_until(lambda: reason in str(world.children._crashes.get(name)))
    world.clock.now_s += 1.5
    world.look_until(lambda: "gate-1" in world.live() and ["gate-1"] in world.shares())


def test_a_camera_whose_process_says_nothing_is_not_live(world: World) -> None:
    world.add("gate-1")
    world.look_until_live()
    world.add("mute")
    world.pass_time(24)
    report = world.children.reports()["gate-1"]
    assert not report.live and "said nothing for" in str(report.error)


def test_orders_to_one_that_does_not_read_hold_up_nobody(world: World) -> None:
    world.add("deaf", "gate-1")
    world.look_until(lambda: len(world.shares()) == 1)
    [child] = world.children._children
    began_s = time.monotonic()
    orders = 0
    while child.push() is None:
        child.begin(world.cameras["gate-1"])
        orders += 1
        assert orders < 100_000
    assert time.monotonic() - began_s < 10 and "unread" in str(child.push())
    world.look_until(lambda: "unread" in str(world.children._crashes.get("gate-1")))
    world.clock.now_s += 1.5
    world.look_until(lambda: "gate-1" in world.live())


def test_one_that_does_not_end_holds_up_nobody_and_is_killed(world: World) -> None:
    world.add("slow to end")
    world.look_until(lambda: "slow to end" in world.live())
    [pid] = world.children.pids()
    world.cameras.clear()
    began_s = time.monotonic()
    world.children.capture(world.cameras)
    assert time.monotonic() - began_s < 1 and world.children._leaving
    world.pass_time(20)
    world.look_until(lambda: not world.children._leaving)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_reports_that_cannot_be_read_end_nothing(world: World) -> None:
    world.add("gate-1", "rubbish")
    world.look_until_live()
    pids = world.children.pids()
    world.pass_time(DEAF_S + 10)
    world.look_until_live()
    assert world.children.pids() == pids


def test_a_parent_that_stood_still_blames_nobody(world: World) -> None:
    world.add("gate-1")
    world.look_until_live()
    pids = world.children.pids()
    world.clock.now_s += 10 * DEAF_S
    world.children.capture(world.cameras)
    assert world.children.pids() == pids and not world.children._crashes


def test_what_concerns_the_capture_begins_it_anew_and_nothing_else_does(world: World) -> None:
    source = CameraSource("rtsp://camera.example/live")
    clock = ZoneSettings("clock", ((0, 0), (0.2, 0), (0.2, 0.1)), roles=("ignore",))
    hall = ZoneSettings("hall", ((0, 0), (1, 0), (1, 1)))
    steps = [
        (Camera("gate", source=source), True),
        (Camera("gate", source=source, name="North", zones=(hall, clock), retention_days=3), False),
        (Camera("gate", source=msgspec.structs.replace(source, transport="udp")), True),
        (Camera("gate", source=msgspec.structs.replace(source, still_fps=1)), True),
        (Camera("gate", source=msgspec.structs.replace(source, still_fps=1), zones=(hall, clock)), True),
        (Camera("gate", source=msgspec.structs.replace(source, still_fps=1), zones=(clock,)), False),
        (Camera("gate", source=msgspec.structs.replace(source, still_fps=1), zones=(clock,), max_age_ms=500), True),
    ]
    orders = 0
    for camera, anew in steps:
        world.cameras["gate"] = camera
        orders += anew
        world.children.capture(world.cameras)
        [child] = world.children._children
        assert len(child._ordered_s) + child._known == orders
    world.look_until(lambda: not child._ordered_s)
