"""Kafka loses its data, MongoDB keeps its own: `crowdwatch up`, down, the folder removed, and up again."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest

_PICTURES = 6


def crowdwatch(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a user would who names no server, without sign-in."""
    servers = {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "MONGODB_URI"}
    environment = {name: value for name, value in os.environ.items() if name not in servers}
    environment |= {"CROWDWATCH_AUTH": "off", "CROWDWATCH_WORKER_PROCESSES": "1"}
    command = [sys.executable, "-m", "ops", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


class Site:
    """An installation in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._url = ""

    def up(self) -> None:
        """Start it, and learn where its web is."""
        started = crowdwatch("up", "--detach", "--no-sample", "--port", "0", "--data-dir", str(self._folder))
        assert started.returncode == 0, started.stdout + started.stderr
        shown = json.loads(crowdwatch("status", "--json", "--data-dir", str(self._folder)).stdout)
        self._url = shown["web_url"].rstrip("/")

    def down(self) -> None:
        """Stop it."""
        crowdwatch("down", "--data-dir", str(self._folder))

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        request = Request(self._url + path, data=body, headers={"Content-Type": "application/octet-stream"})
        try:
            with urlopen(request, timeout=90) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def send(self, picture: bytes) -> dict[str, Any]:
        """Send a picture and return its result."""
        status, result = self.ask("/api/frames?camera_id=gate-1&wait=60", picture)
        assert status == 200, result
        return dict(result)

    def said(self) -> list[str]:
        """Return what a client of `/receive` had not heard."""
        heard = []
        while found := self.ask("/receive?client=a&topics=chat")[1]["messages"]:
            heard += [one["value"]["content"] for one in found]
        return heard


def _url(result: dict[str, Any]) -> str:
    source = result["source"]
    return f"/api/frames/{source['topic']}/{source['partition']}/{source['offset']}"


@pytest.fixture
def site(tmp_path: Path) -> Any:
    site = Site(tmp_path)
    yield site
    site.down()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_answer_is_about_another_picture(site: Site, tmp_path: Path) -> None:
    site.up()
    picture = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
    old = [site.send(picture) for _ in range(_PICTURES)]
    assert {one["status"] for one in old} == {"ok"}
    for number in range(3):
        site.ask("/send", json.dumps({"content": f"old {number}", "sender": "me"}).encode())
    assert len(site.said()) == 3
    for one in old:
        _until(lambda one=one: site.ask(_url(one)) == (200, one))

    site.down()
    shutil.rmtree(tmp_path / "kafka")
    site.up()

    new = []
    for one in old:
        status, found = site.ask(_url(one))
        assert status == 404 or found in new, "nothing else is in the new log yet"
        new.append(site.send(b"no picture at all"))
        assert new[-1]["status"] == "failed", "a new failure is seen"
        assert new[-1]["log_id"] != one["log_id"]
    assert [_url(one) for one in new] == [_url(one) for one in old], "they came to lie in the same places"
    for one, other in zip(new, old, strict=True):
        _until(lambda one=one: site.ask(_url(one)) == (200, one))
        assert site.ask(f"{_url(other)}?log_id={other['log_id']}") == (200, other), "what was found then is kept"
        assert site.ask(f"{_url(other)}/picture?log_id={other['log_id']}")[0] == 404
    listed = site.ask("/api/frames?camera=gate-1")[1]["items"]
    assert sorted(listed, key=str) == sorted([*old, *new], key=str)

    site.ask("/send", json.dumps({"content": "new", "sender": "me"}).encode())
    assert site.said() == ["new"]


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
