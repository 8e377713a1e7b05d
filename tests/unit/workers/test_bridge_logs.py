"""The bridge and topics that are deleted and made again."""

from contracts.offsets import LOG_HEADER, SourceOffset
from messaging.records import LogRecord
from workers.bridge.logs import SourceLogIds


def record(*headers):
    return LogRecord(SourceOffset("Faces", 0, 5), 0, None, None, headers)


def test_a_record_of_another_log_answers_for_nothing():
    logs = SourceLogIds()
    assert not logs.is_of_another(record((LOG_HEADER, b"new")), "frames"), "nothing is known of ids"
    logs.set({"frames": "new"})
    assert logs.is_of_another(record((LOG_HEADER, b"old")), "frames")
    assert not logs.is_of_another(record((LOG_HEADER, b"new")), "frames")
    assert not logs.is_of_another(record(), "frames"), "what names no log is believed"
    assert not logs.is_of_another(record((LOG_HEADER, b"old")), "uploads")


def test_a_watermark_of_another_log_counts_as_none():
    old, new = SourceLogIds(), SourceLogIds()
    old.set({"frames": "old"})
    new.set({"frames": "new"})
    kept = (7, old.metadata("frames", 123))
    assert kept == (7, "123 old")
    assert old.committed("frames", kept) == (7, 123)
    assert new.committed("frames", kept) == (None, None)
    assert new.committed("frames", None) == (None, None)
    assert new.committed("frames", (7, "123")) == (7, 123), "as it was written before there were ids"
    assert new.committed("frames", (7, "rubbish")) == (7, None)
    assert new.metadata("uploads", 4) == "4", "brokers without ids"
    assert new.committed("uploads", (7, "4")) == (7, 4)
