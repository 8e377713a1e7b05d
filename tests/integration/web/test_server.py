"""`python -m web` as a process: what only a real HTTP server shows."""

import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import psutil

from contracts.events import Alert, Severity
from contracts.offsets import OffsetRange, SourceOffset
from messaging.reader import LogReader
from ops.servers.local import plain_environment
from storage.client import connect
from storage.jobs import Jobs

READY_S = 60
UPLOADS_BEFORE = 10
JPEG = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()


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

        with ExitStack() as streaming:
            streams = [
                streaming.enter_context(urllib.request.urlopen(f"{url}/api/live", timeout=60)) for _ in range(12)
            ]
            one = streams[0]
            assert one.headers["Content-Type"].startswith("text/event-stream")
            result = detector.result(SourceOffset(settings.topic_frames, 1, 7))
            detector.publish(result)
            for stream in streams:  # three times as many as there are threads, which answer all the same
                lines = [stream.readline().decode() for _ in range(5)]
                assert lines[:2] == ["retry: 2000\n", "\n"]
                assert lines[2:4] == [f"id: {result.source}\n", "event: result\n"]
                shown = json.loads(lines[4].removeprefix("data: "))
                assert shown["log_id"], "a result that names no log is one of the log that is there now"
                assert shown == result.to_dict() | {"log_id": shown["log_id"]}
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


class _Uploading(threading.Thread):
    """Sends pictures one after the other, each other than the rest, until it is told to stop or the server is gone."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self._url = url
        self._sender = name
        self.enough = threading.Event()
        self.frames: dict[str, bytes] = {}
        self.jobs: dict[str, bytes] = {}
        self.failed: list[object] = []

    def run(self) -> None:
        for number in itertools.count():
            if self.enough.is_set():
                return
            picture = JPEG + f"{self._sender} {number}".encode()
            try:
                status, body = _get(f"{self._url}/api/frames", picture)
                job_status, job = _get(f"{self._url}/api/uploads?filename=a.jpg", picture)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(error)
                return
            if status == 202:
                self.frames[json.loads(body)["id"]] = picture
            if job_status == 202:
                self.jobs[json.loads(job)["job_id"]] = picture
            self.failed += [one for one, ok in ((body, status == 202), (job, job_status == 202)) if not ok]


@contextmanager
def _uploading(url: str) -> Iterator[list[_Uploading]]:
    senders = [_Uploading(url, f"sender {number}") for number in range(4)]
    for sender in senders:
        sender.start()
    try:
        _wait_until(lambda: all(len(sender.jobs) >= UPLOADS_BEFORE for sender in senders))
        yield senders
    finally:
        for sender in senders:
            sender.enough.set()
        for sender in senders:
            sender.join()


def _wait_until(condition) -> None:
    deadline_s = time.monotonic() + READY_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_killing_it_loses_no_upload_that_was_answered(settings, tmp_path):
    with _serving(settings, tmp_path / "web.log") as (process, url), _uploading(url) as senders:
        for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children()):
            one.kill()
    frames = {place: picture for sender in senders for place, picture in sender.frames.items()}
    jobs = {job_id: picture for sender in senders for job_id, picture in sender.jobs.items()}
    assert len(frames) >= len(jobs) >= 4 * UPLOADS_BEFORE
    with closing(LogReader(settings)) as reader:
        reader.start()
        for place, picture in frames.items():
            topic, partition, offset = place.split("/")
            (record,) = reader.read_range(topic, int(partition), OffsetRange(int(offset), int(offset) + 1)).records
            assert record.value == picture
    with _serving(settings, tmp_path / "again.log") as (_, url), closing(connect(settings)) as mongo:
        stored = Jobs(mongo, settings)
        for job_id, picture in jobs.items():
            job = json.loads(_get(f"{url}/api/jobs/{job_id}")[1])
            assert (job["state"], job["files"]) == ("queued", [{"name": "a.jpg", "bytes": len(picture)}])
            assert stored.read_file(stored.get(job_id).files[0].file_id) == picture


def test_it_restarts_without_a_request_that_fails(settings, tmp_path):
    with _serving(settings, tmp_path / "web.log") as (process, url), _uploading(url) as senders:
        (old,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGHUP)
        _wait_until(lambda: not old.is_running() or old.status() == psutil.STATUS_ZOMBIE)
        before = [len(sender.jobs) for sender in senders]
        _wait_until(lambda: all(len(sender.jobs) > count for sender, count in zip(senders, before, strict=True)))
        assert [sender.failed for sender in senders] == [[]] * 4
    assert "Traceback" not in (tmp_path / "web.log").read_text()
