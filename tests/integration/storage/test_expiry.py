"""When results expire, by the retention of their cameras, also those that are stored already."""

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from storage.client import connect
from storage.expiry import ExpiryChange, StoredExpiry
from storage.result_writes import LATEST, Expiry
from storage.results import Results

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)
STOP = threading.Event()


@pytest.fixture
def client(settings):
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


@pytest.fixture
def documents(client, settings):
    Results(client, settings).ensure_indexes()
    return client[settings.mongodb_database].DetectedFaces


def _record(offset, camera_id="gate-1", at=AT):
    return FacesRecord(SourceOffset("frames", 0, offset), camera_id, offset, at, at, Status.OK)


def _days(documents, camera_id):
    return {
        (one["expires_at"] - one["detected_at"]) / timedelta(days=1) for one in documents.find({"camera_id": camera_id})
    }


def _apply_all(stored, expiry):
    changes = stored.changes(expiry)
    for change in changes:
        assert stored.apply(change, expiry, STOP) is not None
    return changes


def test_a_result_expires_by_the_retention_of_its_camera(client, settings, documents):
    results = Results(client, settings.model_copy(update={"retention_days": 7}))
    results.replace_many([_record(0), _record(1, "hall")], None, Expiry(30, {"hall": 1}))
    results.replace_many([_record(2, "yard")])
    assert [_days(documents, name) for name in ("gate-1", "hall", "yard")] == [{30}, {1}, {7}]
    assert results.get(SourceOffset("frames", 0, 1)) == _record(1, "hall"), "nobody is shown when it expires"
    assert "expires_at" not in results.get(SourceOffset("frames", 0, 1)).to_dict()


def test_the_index_of_earlier_versions_makes_room(client, settings, documents):
    indexes = documents.index_information()
    assert [name for name, index in indexes.items() if "expireAfterSeconds" in index] == ["retention"]
    documents.drop_index("retention")
    documents.create_index("detected_at", name="retention", expireAfterSeconds=60)
    for _ in range(2):
        Results(client, settings).ensure_indexes()
        index = documents.index_information()["retention"]
        assert (index["key"], index["expireAfterSeconds"]) == ([("expires_at", 1)], 0)


def test_what_is_stored_is_changed_too(client, settings, documents):
    results, stored = Results(client, settings), StoredExpiry(client, settings)
    results.replace_many([_record(number, name) for number, name in enumerate(("gate-1", "hall", "gate-1", "yard"))])
    documents.update_many({"camera_id": "yard"}, {"$unset": {"expires_at": ""}})
    first = Expiry(30, {"hall": 2, "yard/2": 5})
    assert _apply_all(stored, first) == [ExpiryChange(None, 30), ExpiryChange("hall", 2), ExpiryChange("yard/2", 5)]
    assert [_days(documents, name) for name in ("gate-1", "hall", "yard")] == [{30}, {2}, {30}]
    assert stored.changes(first) == []
    assert _apply_all(stored, Expiry(10, {"hall": 0.5, "yard": 1})) == [
        ExpiryChange(None, 10),
        ExpiryChange("hall", 0.5),
        ExpiryChange("yard", 1),
        ExpiryChange("yard/2", 10, is_own=False),
    ]
    assert [_days(documents, name) for name in ("gate-1", "hall", "yard")] == [{10}, {0.5}, {1}]
    assert _apply_all(stored, Expiry(10)) == [
        ExpiryChange("hall", 10, is_own=False),
        ExpiryChange("yard", 10, is_own=False),
    ]
    assert _days(documents, "hall") == {10}
    assert stored.changes(Expiry(10)) == []


def test_a_change_that_was_cut_short_is_made_again(client, settings, documents):
    Results(client, settings).replace_many([_record(number) for number in range(5)])
    stored, stopped = StoredExpiry(client, settings), threading.Event()
    stopped.set()
    change = ExpiryChange("gate-1", 1)
    assert stored.apply(change, Expiry(30, {"gate-1": 1}), stopped) is None
    assert change in stored.changes(Expiry(30, {"gate-1": 1}))
    assert stored.apply(change, Expiry(30, {"gate-1": 1}), STOP) == 5
    assert change not in stored.changes(Expiry(30, {"gate-1": 1}))


def test_documents_that_are_odd_hold_nothing_up(client, settings, documents):
    results, stored = Results(client, settings), StoredExpiry(client, settings)
    late = datetime(9999, 12, 31, tzinfo=timezone.utc)
    results.replace_many([_record(0), _record(1, at=late)])
    documents.insert_one({"_id": "frames/0/2", "camera_id": "gate-1", "captured_at": AT, "detected_at": "yesterday"})
    _apply_all(stored, Expiry(36_500, {"gate-1": 36_500}))
    assert documents.find_one({"_id": "frames/0/1"})["expires_at"] == LATEST
    assert "expires_at" not in documents.find_one({"_id": "frames/0/2"})
    assert _days(documents, "hall") == set()


@pytest.mark.slow
def test_mongodb_removes_what_has_expired(client, settings, documents):
    """The server looks once a minute."""
    now = datetime.now(timezone.utc)
    old = [_record(number, name, now - timedelta(days=3)) for number, name in enumerate(("gate-1", "hall"))]
    Results(client, settings).replace_many(old)
    _apply_all(StoredExpiry(client, settings), Expiry(30, {"hall": 2}))
    deadline = time.monotonic() + 120
    while documents.count_documents({}) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert documents.find_one()["camera_id"] == "gate-1"
