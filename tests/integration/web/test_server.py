"""`python -m web` as a process: what only a real HTTP server shows."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from contracts.events import Alert, Severity
from contracts.offsets import SourceOffset
from ops.servers.local import plain_environment

READY_S = 60


@contextmanager
def _serving(settings, log: Path, **changes) -> Iterator[tuple[subprocess.Popen, str]]:
    settings = settings.model_copy(update=changes)
    environment = plain_environment(settings) | settings.to_environment()
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "web"], stderr=out, env=environment)
    try:
        deadline_s = time.monotonic() + READY_S
        while not (found := re.search(r"serving at (http://[\w.:]+)", log.read_text())):
            assert process.poll() is None and time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.05)
        while _get(f"{found[1]}/readyz")[0] != 200:
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.1)
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def _say(url, text):
    """Send bytes that need be no request; return the status and the body of the answer."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(text)
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def _get(url, data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_it_serves_streams_refuses_and_stops(settings, producer, detector, tmp_path):
    with _serving(settings, tmp_path / "web.log", web_threads=4) as (process, url):
        status, body = _get(f"{url}/send", b'{"content": "hello", "sender": "me"}')
        assert status == 202, body
        assert b"hello" in _get(f"{url}/receive?client=c")[1]
        assert b"crowdwatch_web_requests_total" in _get(f"{url}/metrics")[1]
        status, body = _get(f"{url}/api/frames", bytes(settings.max_picture_bytes + 1))
        assert (status, json.loads(body)["error"]["code"]) == (413, "too_large")
        for text, refused in (
            (b"GET / rubbish\r\n\r\n", (400, "bad_request")),
            (b"GET /?" + b"a" * 8194, (414, "address_too_long")),
            (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", (431, "headers_too_large")),
        ):
            status, body = _say(url, text)
            assert (status, json.loads(body)["error"]["code"]) == refused

        with ExitStack() as closing:
            streams = [closing.enter_context(urllib.request.urlopen(f"{url}/api/live", timeout=60)) for _ in range(12)]
            one = streams[0]
            assert one.headers["Content-Type"].startswith("text/event-stream")
            result = detector.result(SourceOffset(settings.topic_frames, 1, 7))
            detector.publish(result)
            for stream in streams:  # three times as many as there are threads, which answer all the same
                lines = [stream.readline().decode() for _ in range(5)]
                assert lines[:2] == ["retry: 2000\n", "\n"]
                assert lines[2:4] == [f"id: {result.source}\n", "event: result\n"]
                assert json.loads(lines[4].removeprefix("data: ")) == result.to_dict()
            alert = Alert("density", Severity.CRITICAL, "gate-1", "5 people in hall", "e", result.captured_at, "hall")
            producer.send(settings.topic_alerts, alert.encode()).result(10)
            lines = [one.readline().decode() for _ in range(4)]
            assert lines[1:3] == [f"id: {alert.alert_id}\n", "event: alert\n"]
            assert json.loads(lines[3].removeprefix("data: ")) == alert.to_dict()

            process.send_signal(signal.SIGTERM)  # it waits for no stream to end by itself
            assert process.wait(60) == 0
    log = (tmp_path / "web.log").read_text()
    assert "Traceback" not in log
    assert all(json.loads(line)["role"] == "web" for line in log.splitlines())


def test_a_setting_that_is_none_ends_it_with_the_reason():
    environment = {**os.environ, "CROWDWATCH_WEB_PROT": "1"}
    ended = subprocess.run([sys.executable, "-m", "web"], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "unknown setting CROWDWATCH_WEB_PROT: did you mean CROWDWATCH_WEB_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
