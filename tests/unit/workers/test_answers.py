"""What records in Faces tell the bridge, however odd they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import DetectRange
from messaging.records import LogRecord
from workers.answers import service_s, what_it_settles, who_answered
from workers.bridge.loss import LossDetector


def result(topic="uploads", partition=1, offset=7):
    return json.dumps({"source": {"topic": topic, "partition": partition, "offset": offset}}).encode()


def record(value=None, **headers):
    pairs = tuple((name, text) for name, text in headers.items())
    return LogRecord(SourceOffset("Faces", 1, 40), 0, b"gate", value, pairs)


def test_headers_name_topic_offsets_task_and_time():
    gap = record(settles=b"7:9", source_topic=b"frames", task=b"5:9:2", service_ms=b"250")
    assert what_it_settles(gap) == ("frames", OffsetRange(7, 9))
    assert who_answered(gap, "frames", 1) == DetectRange("frames", 1, 5, 9, 2)
    assert service_s(gap) == 0.25
    assert what_it_settles(record(result(), settles=b"7:8")) == ("uploads", OffsetRange(7, 8))
    named = record(result(), settles=b"7:8", source_topic=b"uploads", task=b"7:8:1")
    assert what_it_settles(named) == ("uploads", OffsetRange(7, 8))
    assert what_it_settles(record(result())) is None
    assert who_answered(record(), "frames", 1) is None
    assert service_s(record()) is None


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (result(), {"settles": b"7:9"}),
        (result(), {"settles": b"8:9"}),
        (result(), {"settles": b"0:9000000000"}),
        (result(partition=2), {"settles": b"7:8"}),
        (result(), {"settles": b"7:8", "source_topic": b"frames"}),
        (result(offset=-7), {"settles": b"7:8"}),
        (result(offset=10**30), {"settles": b"7:8"}),
        (None, {"settles": b"7:9", "source_topic": b"frames"}),
        (None, {"settles": b"7:9", "source_topic": b"frames", "task": b"7:8:1"}),
        (None, {"settles": b"0:4611686018427387904", "source_topic": b"frames", "task": b"5:9:1"}),
        (None, {"settles": b"7:9", "task": b"7:9:1"}),
    ],
)
def test_a_record_settles_no_more_than_it_answers(value, headers):
    assert what_it_settles(record(value, **headers)) is None


ODD = [b"", b":", b"9:7", b"7:7", b"-1:4", b"7:", b"\xff:\xfe", b"7:9:1:2", b"x" * 3_000_000, b"9" * 5000, b"1e3", None]
ODD += [b"9" * 5000 + b":" + b"9" * 5001, b"7:" + b"9" * 5000, b"\xd9\xa7:\xd9\xa9", b"0:18446744073709551616"]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"{odd!r:.20}")
def test_odd_headers_settle_nothing_and_raise_nothing(odd):
    assert what_it_settles(record(settles=odd, source_topic=b"frames", task=b"0:9:1")) is None
    assert what_it_settles(record(result(), settles=odd)) is None
    assert what_it_settles(record(settles=b"7:9", source_topic=b"frames", task=odd)) is None
    assert who_answered(record(task=odd), "frames", 1) is None
    assert service_s(record(service_ms=odd)) is None


@pytest.mark.parametrize("topic", [b"", b"\xff\xfe", b"x" * 5_000_000])
def test_an_odd_topic_settles_nothing(topic):
    assert what_it_settles(record(result(), settles=b"7:8", source_topic=topic)) is None
    found = what_it_settles(record(settles=b"7:9", source_topic=topic, task=b"7:9:1"))
    assert found is None or found[0] == topic.decode()


@pytest.mark.parametrize(
    "value",
    [b"", b"null", b"[" * 100_000, b'{"source":' * 50_000, b"{}", b'{"source": {"topic": 5}}', b"\xff", b'"a"'],
    ids=lambda value: f"{value!r:.20}",
)
def test_an_odd_value_settles_nothing(value):
    assert what_it_settles(record(value, settles=b"7:8")) is None


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=30), st.binary())
def test_no_bytes_raise(settles, topic, task, service, value):
    odd = record(value, settles=settles, source_topic=topic, task=task, service_ms=service)
    what_it_settles(odd)
    what_it_settles(record(value, settles=settles))
    who_answered(odd, "frames", 1)
    seconds = service_s(odd)
    assert seconds is None or 0 < seconds <= 120


@pytest.mark.parametrize("claimed", [10**18, 9_999_999_999_999_999_999])
def test_one_endless_service_time_wears_off(claimed):
    losses = LossDetector()
    for service_ms in [claimed, *[100] * 60]:
        losses.measured(service_s(record(service_ms=b"%d" % service_ms)))
    assert losses.patience_s < 10
