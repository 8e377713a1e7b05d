"""The health of a role: its loop goes round, or its page says since when it does not."""

import json
import threading
import urllib.error
import urllib.request

import pytest

from contracts.errors import UnavailableError
from workers.runner import HealthServer, Heartbeat, StopSignal, run_steps


class Clock:
    """A clock that only moves when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ask(port, path="healthz"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_page_fails_while_the_loop_stands_still_and_says_since_when():
    clock = Clock()
    heartbeat = Heartbeat(60.0, clock)
    stop = StopSignal(heartbeat)
    with HealthServer(lambda: {"kafka": True}, "127.0.0.1", 0, heartbeat) as health:
        assert ask(health.port) == (200, {"status": "alive"})
        clock.now += 60
        assert ask(health.port)[0] == 200, "a step may take so long"
        clock.now += 15
        status, body = ask(health.port)
        assert (status, body["status"], body["for_s"]) == (503, "stands still", 75)
        assert body["since"].endswith("Z") or "+00:00" in body["since"]
        assert ask(health.port, "readyz")[0] == 200, "what it needs is another question"
        stop.is_set()
        assert ask(health.port) == (200, {"status": "alive"})


def test_only_the_loop_itself_beats():
    clock = Clock()
    heartbeat = Heartbeat(60.0, clock)
    stop = StopSignal(heartbeat)
    clock.now += 61
    for ask_of in (stop.is_set, lambda: stop.wait(0)):
        thread = threading.Thread(target=ask_of)
        thread.start()
        thread.join()
    assert heartbeat.still_s() == 61
    stop.wait(0)
    assert heartbeat.still_s() is None


@pytest.mark.parametrize("away", [False, True])
def test_steps_beat_also_while_a_server_is_away(away):
    clock = Clock()
    heartbeat, still = Heartbeat(60.0, clock), []
    stop = StopSignal(heartbeat)

    def step():
        still.append(heartbeat.still_s())
        clock.now += 50
        if away:
            raise UnavailableError("Kafka is away")

    run_steps(step, stop, 3, healthy={}, server="kafka")
    assert still == [None] * 3
