"""Leases in a real MongoDB, whose clock counts."""

import time
from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from settings import Settings
from storage.client import connect
from storage.leases import Leases


@pytest.fixture
def client(settings: Settings) -> Iterator[MongoClient]:
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


def test_a_lease_has_one_owner_until_it_runs_out(client: MongoClient, settings: Settings) -> None:
    first, second = (Leases(client, settings, "camera", owner, 0.3) for owner in ("first", "second"))
    first.ensure_indexes()
    assert first.acquire("gate-1")
    assert not second.acquire("gate-1")
    assert first.acquire("gate-1"), "renewed"
    assert second.acquire("gate-2")
    assert first.held() == {"gate-1": "first", "gate-2": "second"}
    assert Leases(client, settings, "job", "third", 9).held() == {}, "of another kind"
    time.sleep(0.35)
    assert first.held() == {}
    assert first.renew({"gate-1"}) == {"gate-1"}, "nobody took it meanwhile"
    time.sleep(0.35)
    assert second.acquire("gate-1")
    assert first.renew({"gate-1"}) == set()
    second.release({"gate-1"})
    assert first.acquire("gate-1")
    second.release({"gate-1"})
    assert first.held()["gate-1"] == "first", "only its owner gives it back"
