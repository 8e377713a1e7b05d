"""Flower, as `crowdwatch up` starts it: nothing without the sign-in, nothing that ends tasks with it."""

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from contracts.errors import UnavailableError
from contracts.tasks import TASK_DETECT_RANGE, DetectRange
from messaging.tasks import make_celery
from ops.ports import free_ports
from ops.roles import flower
from settings import Settings

READY_WITHIN_S = 60
SHOWN_WITHIN_S = 20
SIGN_IN = "crowdwatch:correct-horse-battery"


def ask(url: str, sign_in: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    """Return status and body."""
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)
    if sign_in is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(sign_in.encode()).decode()}")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def flower_url(settings: Settings) -> Iterator[str]:
    """Flower on the test's Redis."""
    (port,) = free_ports(1)
    spec = flower(settings.model_copy(update={"flower_sign_in": SIGN_IN}), os.environ, port)
    process = subprocess.Popen(spec.command, env=dict(spec.environment))
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                spec.probe()
                break
            except UnavailableError:
                assert process.poll() is None and time.monotonic() < deadline, "Flower does not answer"
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def shown_tasks(url: str) -> list[dict[str, Any]]:
    """Return the rows of Flower's table of tasks."""
    query = {"draw": 1, "start": 0, "length": 10, "search[value]": "", "order[0][column]": 0, "order[0][dir]": "asc"}
    status, body = ask(f"{url}/tasks/datatable?{urlencode(query | {'columns[0][data]': 'name'})}", SIGN_IN)
    assert status == 200, body
    rows: list[dict[str, Any]] = json.loads(body)["data"]
    return rows


def test_flower_is_behind_its_sign_in_and_tells_what_tasks_work_on(flower_url: str, settings: Settings) -> None:
    for path in ("/", "/tasks", "/api/workers", "/api/tasks"):
        assert ask(flower_url + path)[0] == 401
        assert ask(flower_url + path, "crowdwatch:wrong-password")[0] == 401
    assert ask(flower_url, SIGN_IN)[0] == 200
    for action in ("task/revoke/some-id", "worker/shutdown/some-worker", f"task/async-apply/{TASK_DETECT_RANGE}"):
        assert ask(f"{flower_url}/api/{action}", method="POST")[0] == 401
        assert ask(f"{flower_url}/api/{action}", SIGN_IN, method="POST")[0] == 403

    app = make_celery(settings)
    task = {"name": TASK_DETECT_RANGE, "args": "()", "kwargs": repr(DetectRange("frames", 1, 8, 24).to_kwargs())}
    deadline = time.monotonic() + SHOWN_WITHIN_S
    with app.connection() as connection, app.events.Dispatcher(connection, hostname="worker@test") as dispatcher:
        while not (rows := shown_tasks(flower_url)):
            assert time.monotonic() < deadline, "the event does not appear"
            dispatcher.send("task-received", uuid="a-task", retries=0, **task)
            time.sleep(0.5)
    assert [(row["name"], row["kwargs"]) for row in rows] == [(TASK_DETECT_RANGE, "frames/1 [8, 24) attempt 1")]
    app.close()
