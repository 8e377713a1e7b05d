"""Flower over TLS: it asks Redis itself, beside Celery."""

import os
import subprocess
import time

import pytest

from contracts.errors import UnavailableError
from contracts.tasks import QUEUE_DETECT
from ops.ports import free_ports
from ops.roles import flower
from settings import Settings
from tests.integration.ops.test_flower import READY_WITHIN_S, SIGN_IN, ask


@pytest.mark.slow
def test_flower_asks_redis_for_the_lengths_of_its_queues(secured: Settings) -> None:
    (port,) = free_ports(1)
    spec = flower(secured.model_copy(update={"flower_sign_in": SIGN_IN}), os.environ, port)
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
        status, page = ask(f"http://127.0.0.1:{port}/broker", SIGN_IN)
    finally:
        process.terminate()
        process.wait(20)
    assert status == 200
    assert f'<tr id="{QUEUE_DETECT}">' in page.decode()
