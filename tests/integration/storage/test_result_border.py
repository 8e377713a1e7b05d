"""Results that MongoDB does not take."""

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from pymongo.errors import OperationFailure

from contracts.faces import BoundingBox, Face, FacesRecord, Status
from contracts.offsets import SourceOffset
from storage.client import connect
from storage.results import COLLECTION, Results

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)


@pytest.fixture
def client(settings):
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


def _record(offset, **changes):
    return replace(FacesRecord(SourceOffset("frames", 0, offset), "gate-1", offset, AT, AT, Status.OK), **changes)


FACE = Face(0, BoundingBox(1, 2, 3, 4), 0.5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"frame_id": 2**63}, "BSON"),
        ({"log_id": "\ud800"}, "BSON"),
        ({"faces": 250_000 * (FACE,)}, "more than a document holds"),
        ({"faces": (Face(0, BoundingBox(1, 2, 2**64, 4), 0.5),), "status": Status.SKIPPED}, "BSON"),
    ],
    ids=["a number of more than 64 bits", "half a character", "more than 16 MiB", "a box beyond 64 bits"],
)
def test_what_cannot_be_a_document_leaves_its_neighbours_alone(client, settings, changes, reason):
    odd = _record(1, **changes)
    results = Results(client, settings)
    written = results.replace_many([_record(0), odd, _record(2)])
    assert written.stored == 2
    [(record, error)] = written.refused
    assert record == odd and reason in str(error)
    assert results.get(odd.source) is None
    assert {one.frame_id for one in results.newest(10)} == {0, 2}


def test_what_mongodb_refuses_leaves_its_neighbours_alone(client, settings):
    base = client[settings.mongodb_database]
    base.create_collection(COLLECTION, validator={"frame_id": {"$ne": 1}})
    with pytest.raises(OperationFailure):
        base[COLLECTION].insert_one({"frame_id": 1})
    written = Results(client, settings).replace_many([_record(0), _record(1), _record(2)])
    assert written.stored == 2
    [(record, error)] = written.refused
    assert record == _record(1) and "failed validation" in str(error)
