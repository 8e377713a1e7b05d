import time

import pytest

from contracts.errors import ConfigurationError, UnavailableError
from web.services.background import Preparation
from web.services.readiness import Readiness


def _wait_until_prepared(preparation):
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        try:
            return preparation.check()
        except UnavailableError:
            time.sleep(0.01)
    return preparation.check()


def test_a_step_is_tried_until_its_server_answers():
    called = []

    def topics():
        called.append("topics")
        if len(called) < 2:
            raise UnavailableError("Kafka does not answer")

    preparation = Preparation({"topics": topics, "indexes": lambda: called.append("indexes")})
    with pytest.raises(UnavailableError, match="not started"):
        preparation.check()
    preparation.start()
    _wait_until_prepared(preparation)
    preparation.close()
    assert called == ["topics", "topics", "indexes"]


def test_what_cannot_work_is_not_tried_again():
    called = []

    def topics():
        called.append("topics")
        raise ConfigurationError("partitions differ")

    preparation = Preparation({"topics": topics})
    preparation.start()
    while not called:
        time.sleep(0.001)
    preparation.close()
    assert called == ["topics"]
    with pytest.raises(UnavailableError, match="topics: partitions differ"):
        preparation.check()


def test_preparing_is_given_up_at_once():
    def down():
        raise UnavailableError("down")

    preparation = Preparation({"down": down})
    preparation.start()
    started_s = time.monotonic()
    preparation.close()
    assert time.monotonic() - started_s < 2


def test_readiness_asks_all_needs_and_keeps_the_answer():
    asked = []

    def down():
        asked.append("down")
        raise UnavailableError("does not answer")

    readiness = Readiness({"up": lambda: None, "down": down})
    assert readiness.problems() == {"up": None, "down": "does not answer"}
    assert readiness.problems() == {"up": None, "down": "does not answer"}
    assert asked == ["down"]
    readiness.close()
