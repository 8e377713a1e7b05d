"""Results of two logs of one topic, whose offsets are the same."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from contracts.faces import FacesRecord, Status
from contracts.offsets import SourceOffset
from storage.client import connect
from storage.results import Results
from storage.source_logs import SourceLog, SourceLogs, belongs

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)
OLD, NEW = "old-id", "new-id"
BEFORE = {"frames": SourceLog(OLD, OLD, settled=True)}
AFTER = {"frames": SourceLog(NEW, OLD, settled=False)}


@pytest.fixture
def client(settings):
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


@pytest.fixture
def results(client, settings):
    results = Results(client, settings)
    results.ensure_indexes()
    return results


@pytest.fixture
def documents(client, settings):
    return client[settings.mongodb_database].DetectedFaces


def _record(offset, log_id, topic="frames", **changes):
    at = AT + timedelta(seconds=offset + (60 if log_id == NEW else 0))
    record = FacesRecord(SourceOffset(topic, 0, offset), "gate-1", offset, at, at, Status.OK, log_id=log_id)
    return replace(record, **changes)


def _ids(documents):
    return sorted(one["_id"] for one in documents.find({}, {"_id": 1}))


def _places(*offsets):
    return [SourceOffset("frames", 0, offset) for offset in offsets]


def test_the_first_id_of_a_topic_is_that_of_what_is_stored(client, settings):
    logs = SourceLogs(client, settings)
    assert logs.get(["frames", "uploads"]) == {}
    logs.begin("frames", OLD)
    logs.begin("frames", OLD)
    assert logs.get(["frames", "uploads"]) == BEFORE
    logs.begin("frames", NEW)
    logs.begin("frames", NEW)
    assert logs.get(["frames"]) == AFTER
    logs.settle("frames", OLD)
    assert not logs.get(["frames"])["frames"].settled, "another log has begun since"
    logs.settle("frames", NEW)
    logs.begin("frames", NEW)
    assert logs.get(["frames"]) == {"frames": SourceLog(NEW, OLD, settled=True)}


def test_a_result_without_an_id_is_of_the_first_log():
    known = AFTER["frames"]
    old = _record(0, None)
    assert belongs(old, OLD, known)
    assert not belongs(old, NEW, known)
    assert belongs(_record(0, NEW), NEW, known)
    assert not belongs(_record(0, OLD), NEW, known)
    assert belongs(old, NEW, None), "nothing is known of ids"
    assert belongs(_record(0, NEW), None, known)


def test_a_result_is_never_written_over_that_of_another_log(results, documents):
    failed = {"status": Status.FAILED, "error": "broken"}
    results.replace_many([_record(0, OLD), _record(1, None)], BEFORE)
    new = [_record(0, NEW), _record(1, NEW, **failed), _record(2, NEW)]
    written = results.replace_many(new, AFTER)
    assert (written.stored, written.blocked, written.refused) == (1, new[:2], [])
    assert [results.get(place).log_id for place in _places(0, 1)] == [OLD, OLD], "an id was given to what had none"
    assert results.set_aside("frames", NEW, OLD, 10, ["frames/0/0", "frames/0/1"]) == 2
    assert results.replace_many(written.blocked, AFTER).stored == 2
    assert _ids(documents) == ["frames/0/0", f"frames/0/0@{OLD}", "frames/0/1", f"frames/0/1@{OLD}", "frames/0/2"]
    assert [results.get(place) for place in _places(0, 1, 2)] == new
    assert results.get(*_places(0), OLD) == _record(0, OLD)
    assert results.get(*_places(2), OLD) == new[2], "what is there of another log tells so by its id"


def test_a_late_result_of_an_old_log_replaces_no_other(results, documents):
    results.replace_many([_record(0, OLD), _record(1, OLD)], BEFORE)
    results.set_aside("frames", NEW, OLD, 10)
    results.replace_many([_record(0, NEW)], AFTER)
    skipped = {"status": Status.SKIPPED, "error": "too old"}
    written = results.replace_many([_record(0, OLD, **skipped), _record(1, OLD, frame_id=7), _record(5, OLD)], AFTER)
    assert (written.stored, written.blocked) == (3, [])
    assert _ids(documents) == ["frames/0/0", *(f"frames/0/{offset}@{OLD}" for offset in (0, 1, 5))]
    assert results.get(*_places(0)) == _record(0, NEW)
    assert results.get(*_places(0), OLD) == _record(0, OLD), "what was detected is not taken back"
    assert results.get(*_places(1), OLD).frame_id == 7


def test_documents_from_before_ids_stay_where_they_are(results, documents):
    results.replace_many([_record(0, None), _record(1, None)])
    assert "log_id" in documents.find_one() and documents.find_one()["log_id"] is None
    documents.update_many({}, {"$unset": {name: "" for name in ("log_id", "origin", "received_at", "claimed_at")}})
    assert [results.get(place) for place in _places(0, 1)] == [_record(0, None), _record(1, None)]
    written = results.replace_many([_record(0, OLD, frame_id=8), _record(1, OLD, status=Status.SKIPPED)], BEFORE)
    assert (written.stored, written.blocked) == (2, [])
    assert _ids(documents) == ["frames/0/0", "frames/0/1"]
    assert results.get(*_places(0)) == _record(0, OLD, frame_id=8)
    assert results.get(*_places(1)) == _record(1, None)
    assert results.set_aside("frames", OLD, OLD, 10) == 0


def test_setting_aside_takes_all_of_its_topic_in_parts(results, documents):
    others = [_record(3, None, topic="uploads"), _record(3, None, topic="frames.dead"), _record(3, None, "frames0")]
    results.replace_many([*(_record(offset, None if offset % 2 else OLD) for offset in range(10)), *others])
    results.replace_many([_record(20, NEW)], AFTER)
    moved = [results.set_aside("frames", NEW, OLD, 4) for _ in range(4)]
    assert moved == [4, 4, 2, 0]
    kept = ["frames.dead/0/3", "frames/0/20", "frames0/0/3", "uploads/0/3"]
    assert _ids(documents) == sorted([*(f"frames/0/{offset}@{OLD}" for offset in range(10)), *kept])
    assert results.get(*_places(3), OLD) == _record(3, OLD)
    assert documents.find_one({"_id": f"frames/0/3@{OLD}"})["expires_at"] is not None


def test_setting_aside_goes_on_after_a_kill_between_copy_and_removal(results, documents):
    results.replace_many([_record(offset, OLD) for offset in range(4)], BEFORE)
    for offset in (0, 1):  # copied, and one of them removed
        copy = documents.find_one({"_id": f"frames/0/{offset}"})
        documents.insert_one({**copy, "_id": f"frames/0/{offset}@{OLD}"})
    documents.delete_one({"_id": "frames/0/1"})
    assert results.set_aside("frames", NEW, OLD, 10) == 3
    assert results.set_aside("frames", NEW, OLD, 10) == 0
    assert _ids(documents) == [f"frames/0/{offset}@{OLD}" for offset in range(4)]


def test_three_logs_lie_beside_each_other(results, documents):
    third = {"frames": SourceLog("third", OLD, settled=False)}
    results.replace_many([_record(0, None)])
    results.set_aside("frames", NEW, OLD, 10)
    results.replace_many([_record(0, NEW)], AFTER)
    results.set_aside("frames", "third", OLD, 10)
    results.replace_many([_record(0, "third")], third)
    assert _ids(documents) == ["frames/0/0", f"frames/0/0@{NEW}", f"frames/0/0@{OLD}"]
    assert {one.log_id for one in results.newest(10)} == {"third", NEW, OLD}
