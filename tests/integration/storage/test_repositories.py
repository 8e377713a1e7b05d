from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from pymongo import MongoClient

from contracts.errors import UnavailableError
from contracts.faces import BoundingBox, Face, FacesRecord, Status
from contracts.offsets import SourceOffset
from storage.client import connect, ping_mongodb
from storage.cursors import Cursor, Cursors
from storage.results import Results

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)


@pytest.fixture
def client(settings):
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


def _record(offset, **changes):
    record = FacesRecord(
        source=SourceOffset("frames", 0, offset),
        camera_id="gate-1",
        frame_id=offset,
        captured_at=AT + timedelta(seconds=offset),
        detected_at=AT,
        status=Status.OK,
        faces=(Face(0, BoundingBox(1, 2, 3, 4), 0.5),),
    )
    return replace(record, **changes)


def test_a_repeat_replaces(client, settings):
    results = Results(client, settings)
    results.ensure_indexes()
    assert results.replace_many([_record(0), _record(1)]).stored == 2
    assert results.replace_many([_record(1, faces=()), _record(2), _record(2, frame_id=9)]).stored == 2
    assert results.count() == 3
    assert results.get(SourceOffset("frames", 0, 0)) == _record(0)
    assert results.get(SourceOffset("frames", 0, 1)) == _record(1, faces=())
    assert results.get(SourceOffset("frames", 0, 2)) == _record(2, frame_id=9)
    assert results.get(SourceOffset("frames", 0, 3)) is None
    document = client[settings.mongodb_database].DetectedFaces.find_one({"_id": "frames/0/0"})
    assert document["captured_at"] == AT
    assert document["total_faces"] == 1


def test_what_was_detected_is_not_taken_back(client, settings):
    results = Results(client, settings)
    late = {"status": Status.SKIPPED, "error": "too old", "faces": ()}
    results.replace_many([_record(0), _record(1, **late)])
    results.replace_many([_record(0, **late), _record(1)])
    results.replace_many([_record(2), _record(2, **late)])
    assert [results.get(SourceOffset("frames", 0, number)) for number in range(3)] == [
        _record(0),
        _record(1),
        _record(2),
    ]


def test_a_cursor_moves_once_for_each_version(client, settings):
    cursors = Cursors(client, settings)
    cursors.ensure_indexes()
    assert cursors.get("a") is None
    first = Cursor("a", {})
    assert cursors.move(first, {("chat", 0): 3}, {"chat": "a"}, AT)
    assert not cursors.move(first, {("chat", 0): 9}, {}, AT), "another call was faster"
    found = cursors.get("a")
    assert found == Cursor("a", {("chat", 0): 3}, 1, {"chat": "a"})
    assert cursors.move(found, {("chat", 0): 5, ("Faces", 2): 7}, {"chat": "b"}, AT)
    assert not cursors.move(found, {("chat", 0): 5}, {}, AT)
    assert cursors.get("a").logs == {"chat": "b"}
    assert cursors.get("a").positions == {("chat", 0): 5, ("Faces", 2): 7}


def test_a_server_that_is_not_there_is_told_of(settings):
    nowhere = settings.model_copy(update={"mongodb_uri": "mongodb://127.0.0.1:9"})
    with pytest.raises(UnavailableError, match="does not answer"):
        ping_mongodb(nowhere, timeout_s=0.5)
    ping_mongodb(settings)
    client: MongoClient = connect(nowhere, timeout_s=0.5)
    try:
        with pytest.raises(UnavailableError, match="cannot store"):
            Results(client, nowhere).replace_many([_record(0)])
    finally:
        client.close()
