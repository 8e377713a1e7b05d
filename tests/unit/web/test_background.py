import time

import pytest
from prometheus_client import CollectorRegistry

from contracts.errors import ConfigurationError, ContractError, UnavailableError
from contracts.offsets import SourceOffset
from messaging.records import LogRecord
from messaging.refusals import Refusals
from web.metrics import WebMetrics
from web.services.background import Feed, Preparation
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


class _Follower:
    """Gives some records at its first poll, and counts how often it was started."""

    def __init__(self, values):
        self._values = values
        self.starts = 0

    def start(self):
        self.starts += 1

    def poll(self, timeout_ms):
        values, self._values = self._values, []
        if not values:
            time.sleep(0.001)
        return [
            LogRecord(SourceOffset("Faces", 0, offset), 1_795_469_400_123, None, value)
            for offset, value in enumerate(values)
        ]

    def close(self): ...


def test_a_record_that_breaks_a_feed_is_left_out_and_the_feed_goes_on():
    def decode(value):
        if value == b"no result":
            raise ContractError("no JSON")
        return value

    def handle(value):
        if value == b"odd":
            raise RecursionError("too deep")
        handled.append(value)

    metrics, handled = WebMetrics(CollectorRegistry()), []
    follower = _Follower([b"first", b"no result", None, b"odd", b"last"])
    feed = Feed(lambda: follower, decode, handle, Refusals(metrics.refused, "result"))
    feed.start()
    deadline_s = time.monotonic() + 10
    while b"last" not in handled and time.monotonic() < deadline_s:
        time.sleep(0.001)
    feed.close()
    assert handled == [b"first", b"last"]
    assert follower.starts == 1, "the topic is followed all the time: nothing that came meanwhile is missed"
    refused = {
        reason: metrics.registry.get_sample_value("crowdwatch_web_refused_total", {"reason": reason})
        for reason in ("contract", "unexpected")
    }
    assert refused == {"contract": 1, "unexpected": 1}
