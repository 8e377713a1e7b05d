"""One record that breaks a role's code costs nothing but itself."""

import threading
from datetime import datetime, timezone

import pytest

from contracts.errors import UnavailableError
from contracts.faces import FacesRecord, Status
from contracts.offsets import OffsetRange, SourceOffset
from messaging.records import LogRecord
from settings import Settings
from storage.result_writes import Written
from workers.analytics.role import Analytics
from workers.bridge import role as bridge_role
from workers.bridge.role import Bridge
from workers.runner import ROLE_ERRORS
from workers.sink import Sink

NOW = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


def answer(offset):
    source = SourceOffset("frames", 0, offset)
    result = FacesRecord(source, "gate", offset, NOW, NOW, Status.OK)
    headers = (("settles", OffsetRange(offset, offset + 1).encode()), ("source_topic", b"frames"))
    return LogRecord(SourceOffset("Faces", 0, offset), int(NOW.timestamp() * 1000), b"gate", result.encode(), headers)


def errors(role):
    return ROLE_ERRORS.labels(role)._value.get()


class Picky:
    """Stands for the collection: one result breaks it, and it is away for a while."""

    def __init__(self, breaks, away=0) -> None:
        self.breaks, self.away, self.stored = breaks, away, set()

    def replace_many(self, results, logs, expiry):
        offsets = [result.source.offset for result in results]
        if self.away:
            self.away -= 1
            raise UnavailableError("MongoDB is away")
        if self.breaks in offsets:
            raise OverflowError("int too big")
        self.stored |= set(offsets)
        return Written(len(offsets))


class Refused:
    """Keeps what is refused."""

    def __init__(self) -> None:
        self.records = []

    def refuse(self, *refused):
        self.records += refused


@pytest.mark.parametrize("away", [0, 2])
def test_a_result_that_breaks_the_write_is_refused_alone(away):
    sink, collection, refused = Sink(Settings()), Picky(5, away), Refused()
    sink._results, sink._refusals = collection, refused
    sink._store([answer(offset) for offset in range(11)], threading.Event())
    assert collection.stored == set(range(11)) - {5}
    [(record, error)] = refused.records
    assert (record.source.offset, type(error)) == (5, OverflowError)
    assert sink._written == {("Faces", 0): (11, "")}, "it does not come again"


def test_an_answer_that_breaks_the_bridge_is_passed_over(monkeypatch):
    bridge, before = Bridge(Settings()), errors("bridge")
    bridge._ledgers["frames", 0] = ledger = bridge._make_ledger(("frames", 0), 0)
    ledger.observe_end(10, 0.0)

    def breaks(record):
        if record.source.offset == 2:
            raise RecursionError
        return "frames", OffsetRange(record.source.offset, record.source.offset + 1)

    monkeypatch.setattr(bridge_role, "what_it_settles", breaks)
    bridge._settle([answer(offset) for offset in range(5)], 1.0)
    assert ledger.watermark == 2
    bridge._settle([answer(3)], 1.0)
    assert errors("bridge") == before + 1


def test_a_result_that_breaks_the_analysis_is_passed_over(monkeypatch):
    analytics, before, taken = Analytics(Settings()), errors("analytics"), []

    def take(number, mark, result, now_s, *, ordered=False):
        if result.source.offset == 2:
            raise ZeroDivisionError
        taken.append(result.source.offset)
        return True

    monkeypatch.setattr(analytics._keeper, "take", take)
    for offset in range(4):
        analytics._take(0, offset, FacesRecord.decode(answer(offset).value), 0.0)
    assert taken == [0, 1, 3]
    assert errors("analytics") == before + 1
    monkeypatch.setattr(analytics._keeper, "take", lambda *_, **__: (_ for _ in ()).throw(UnavailableError("away")))
    with pytest.raises(UnavailableError):
        analytics._take(0, 9, FacesRecord.decode(answer(9).value), 0.0)
