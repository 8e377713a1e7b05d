"""Viewers over real sockets: each test is the browser's end."""

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry

from web.errors import RequestError
from web.metrics import WebMetrics
from web.services.viewers import Viewers


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def viewers(registry) -> Iterator[Viewers]:
    viewers = Viewers(2, WebMetrics(registry))
    viewers.start()
    yield viewers
    viewers.close()


@pytest.fixture
def join(viewers) -> Iterator[Callable[..., socket.socket]]:
    """Return a function that joins a viewer and returns the browser's end of its connection."""
    browsers = []

    def join(camera_id=None, *, chunked=False) -> socket.socket:
        here, there = socket.socketpair()
        here.settimeout(5)
        browsers.append(here)
        count = len(viewers._viewers)
        viewers.adopt(there, camera_id, chunked=chunked)
        wait_until(lambda: len(viewers._viewers) == count + 1)
        return here

    yield join
    for browser in browsers:
        browser.close()


def wait_until(condition):
    deadline_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


def publish(viewers, number, camera_id="gate-1", **more):
    viewers.publish("result", f"frames/0/{number}", camera_id, {"number": number, **more})


def events(browser, count):
    """Read so many events; return the ids."""
    data = b""
    while data.count(b"\n\n") < count:
        received = browser.recv(65536)
        assert received, data
        data += received
    return [int(event.split(b"\n")[0].rpartition(b"/")[2]) for event in data.split(b"\n\n") if event.startswith(b"id")]


def test_a_viewer_sees_what_comes_after_it_joined(viewers, join):
    publish(viewers, 0)
    browser = join()
    publish(viewers, 1)
    assert browser.recv(65536) == b'id: frames/0/1\nevent: result\ndata: {"number":1}\n\n'


def test_an_answer_in_chunks_has_one_chunk_a_write_and_ends_with_an_empty_one(viewers, join):
    browser = join(chunked=True)
    publish(viewers, 1)
    length, _, rest = browser.recv(65536).partition(b"\r\n")
    assert len(rest) == int(length, 16) + 2
    assert json.loads(rest.partition(b"data: ")[2]) == {"number": 1}
    viewers.close()
    assert browser.recv(65536) == b"0\r\n\r\n"
    assert browser.recv(65536) == b""


def test_a_viewer_of_one_camera_sees_that_one(viewers, join):
    browser = join("gate-2")
    publish(viewers, 0, camera_id="gate-1")
    publish(viewers, 1, camera_id="gate-2")
    assert events(browser, 1) == [1]


def test_the_limit_holds_until_one_leaves(viewers, join, registry):
    browser, _ = join(), join()
    with pytest.raises(RequestError, match="2 viewers are connected") as refused:
        viewers.check_room()
    assert (refused.value.status, refused.value.code) == (503, "too_many_viewers")
    assert refused.value.retry_after_s
    browser.close()
    wait_until(lambda: registry.get_sample_value("crowdwatch_web_viewers") == 1)
    viewers.check_room()


def test_a_slow_viewer_misses_the_oldest_and_holds_up_nobody(viewers, join, registry):
    slow, quick = join(), join()
    for number in range(60):
        publish(viewers, number, padding="x" * 65536)
        assert events(quick, 1) == [number]
    dropped = registry.get_sample_value("crowdwatch_web_results_dropped_total")
    assert dropped >= 20
    seen = events(slow, 60 - int(dropped))
    assert seen == sorted(seen)
    assert seen[0] == 0 and seen[-1] == 59
    assert registry.get_sample_value("crowdwatch_web_results_streamed_total") >= 60
