"""Which frames are traced, and under which ids."""

import sys
from datetime import datetime, timezone

import pytest

from contracts.errors import ConfigurationError
from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from settings import Settings
from workers.tracing import make_tracer, trace_of

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
THEIRS = 0x4BF92F3577B34DA6A3CE929D0E0E4736


def record(offset: int) -> FacesRecord:
    return FacesRecord(SourceOffset("frames", 0, offset), "gate", offset, NOW, NOW, Status.OK)


def test_worker_and_sink_agree_without_a_word():
    first, again, other = trace_of(record(1), None, 1.0), trace_of(record(1), None, 1.0), trace_of(record(2), None, 1.0)
    assert first == again
    assert first and other and first.trace_id != other.trace_id


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_frames_is_traced(share: float):
    traced = sum(trace_of(record(offset), None, share) is not None for offset in range(4000))
    assert traced == pytest.approx(4000 * share, abs=120)


@pytest.mark.parametrize(("flags", "traced"), [("01", True), ("00", False)])
def test_a_producers_own_trace_is_continued_or_left_out_as_it_says(flags: str, traced: bool):
    header = f"00-{THEIRS:032x}-00f067aa0ba902b7-{flags}".encode()
    for share in (0.0, 1.0):
        found = trace_of(record(1), header, share)
        assert (found is not None) is traced
        assert found is None or (found.trace_id, found.parent_id) == (THEIRS, 0x00F067AA0BA902B7)


@pytest.mark.parametrize("header", [b"", b"00-zz", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"\xff" * 55])
def test_a_header_that_cannot_be_read_counts_as_absent(header: bytes):
    assert trace_of(record(1), header, 1.0) == trace_of(record(1), None, 1.0)


def test_no_trace_is_made_unless_asked_for():
    assert make_tracer(Settings(), "sink") is None


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigurationError, match=r"crowdwatch\[tracing\]"):
        make_tracer(Settings(otlp_endpoint="http://127.0.0.1:4318"), "sink")
