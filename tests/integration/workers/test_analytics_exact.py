"""A process that dies at any call to a server, again and again, leaves what an undisturbed one leaves."""

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pymongo
import pytest

from contracts.faces import FacesRecord
from contracts.offsets import OffsetRange, SourceOffset
from messaging.admin import ensure_topics
from messaging.producer import Producer
from settings import Settings
from storage.checkpoints import Checkpoint, Checkpoints
from storage.client import connect
from tests.integration.workers.test_analytics import ago, camera, snapshot, walkers
from workers.analytics.delivery import Delivery
from workers.analytics.keeper import Keeper
from workers.analytics.ordering import Arrival, PartitionOrder
from workers.analytics.outputs import Outputs

DEATHS = 50
BATCH = 23
TASK = 16


class Killed(Exception):
    """Here the process would be gone."""


class Fate:
    """Kills with some probability, until there were enough deaths."""

    def __init__(self, seed: int, deaths: int) -> None:
        self._random = random.Random(seed)
        self.left = deaths

    def tempt(self) -> None:
        if self.left and self._random.random() < 0.15:
            self.left -= 1
            raise Killed

    def part(self, number: int) -> int:
        return self._random.randrange(number + 1)


class MortalCheckpoints(Checkpoints):
    """Dies before or after it wrote, or having written some."""

    def __init__(self, client: Any, settings: Settings, fate: Fate) -> None:
        super().__init__(client, settings, uuid.uuid4().hex)
        self._fate = fate

    def write(self, checkpoints: Sequence[Checkpoint]) -> set[str]:
        self._fate.tempt()
        try:
            self._fate.tempt()
        except Killed:
            super().write(checkpoints[: self._fate.part(len(checkpoints) - 1)])
            raise
        refused = super().write(checkpoints)
        self._fate.tempt()
        return refused


class MortalDelivery(Delivery):
    """Dies before or after it delivered, or having delivered some."""

    def __init__(self, client: Any, producer: Producer, settings: Settings, fate: Fate) -> None:
        super().__init__(client, producer, settings)
        self._fate = fate

    def deliver(self, told: Sequence[tuple[int, Outputs]], *, again: bool) -> None:
        self._fate.tempt()
        try:
            self._fate.tempt()
        except Killed:
            super().deliver(told[: self._fate.part(len(told))], again=again)
            raise
        super().deliver(told, again=again)
        self._fate.tempt()


def analyse(
    records: Sequence[FacesRecord], settings: Settings, producer: Producer, fate: Fate, *, ordered: bool = False
) -> dict[str, Any]:
    """Let one process after the other go on from where the one before died; return what is there at the end.

    With `ordered` results are put in the order of their source offsets first.
    """
    client = connect(settings)
    cameras = {name: camera(name) for name in ("a", "b")}
    Checkpoints(client, settings, "").ensure_indexes()
    Delivery(client, producer, settings).ensure_indexes()
    committed, stored, now_s = 0, "frames=0", max(one.captured_at for one in records).timestamp() + 1000
    while True:
        keeper = Keeper(
            MortalCheckpoints(client, settings, fate), MortalDelivery(client, producer, settings, fate), settings
        )
        keeper.follow(cameras, now_s)
        try:
            keeper.load(0, len(records), {}, now_s)
            order = PartitionOrder.resume(stored, ("frames",), {})
            for offset in range(committed, len(records), BATCH):
                for place, record in enumerate(records[offset : offset + BATCH], offset):
                    if not ordered:
                        keeper.take(0, place, record, now_s)
                        continue
                    offsets = OffsetRange(record.source.offset, record.source.offset + 1)
                    for one in order.take("frames", offsets, place, record, Arrival(now_s, now_s)):
                        keeper.take(0, one.mark, one.result, now_s, ordered=True)
                now_s += 1
                everything = fate.part(2) == 0
                assert keeper.save(now_s, everything=everything) == set()
                if everything:
                    committed, stored = order.resume_from(min(offset + BATCH, len(records))), order.encode()
            keeper.save(now_s, everything=True)
            break
        except Killed:
            continue
    client.close()
    with pymongo.MongoClient(settings.mongodb_uri, tz_aware=True) as reader:
        found = snapshot(reader[settings.mongodb_database])
        reader.drop_database(settings.mongodb_database)
    return found


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    ensure_topics(settings)
    producer = Producer(settings)
    producer.start()
    yield producer
    producer.close()


def test_fifty_deaths_change_nothing(settings: Settings, producer: Producer) -> None:
    start = ago(4000).replace(second=30)
    reset = start + timedelta(seconds=30)  # between who goes in and who goes out
    settings = settings.model_copy(update={"venue_resets": (f"Arena={reset:%H:%M} UTC",)})
    both = zip(walkers("a", 150, start), walkers("b", 150, start), strict=True)
    records = [FacesRecord.decode(value) for pair in both for value in pair]
    fate = Fate(7, DEATHS)
    disturbed = analyse(records, settings, producer, fate)
    assert fate.left == 0, "there were as many deaths as wanted"
    expected = analyse(records, settings, producer, Fate(0, 0))
    assert expected["events"]
    assert [(one["entered"], one["left"]) for one in expected["venues"]] == [(0, 1), (0, 1)]
    for what, found in expected.items():
        assert disturbed[what] == found, what


def test_fifty_deaths_in_a_backlog_that_comes_out_of_order_change_nothing(
    settings: Settings, producer: Producer
) -> None:
    start = ago(4000).replace(second=30)
    both = zip(walkers("a", 150, start), walkers("b", 150, start), strict=True)
    records = [
        replace(FacesRecord.decode(value), source=SourceOffset("frames", 0, number))
        for number, value in enumerate(value for pair in both for value in pair)
    ]
    tasks = [records[start : start + TASK] for start in range(0, len(records), TASK)]
    rng = random.Random(5)
    shuffled = sorted([*enumerate(tasks), *enumerate(tasks[::7])], key=lambda one: one[0] + rng.uniform(0, 4))
    log = [record for _, task in shuffled for record in task]
    fate = Fate(7, DEATHS)
    disturbed = analyse(log, settings, producer, fate, ordered=True)
    assert fate.left == 0, "there were as many deaths as wanted"
    expected = analyse(records, settings, producer, Fate(0, 0), ordered=True)
    assert len(expected["events"]) > 10
    for what, found in expected.items():
        if what == "checkpoints":  # the offsets in `Faces` differ, as the logs do
            found, disturbed[what] = ([(one[0], one[2]) for one in of] for of in (found, disturbed[what]))
        assert disturbed[what] == found, what


def test_of_two_owners_one_is_refused(settings: Settings, producer: Producer) -> None:
    records = [FacesRecord.decode(value) for value in walkers("a", 60, ago(4000))]
    client = connect(settings)
    calm = Fate(0, 0)
    keepers = [
        Keeper(MortalCheckpoints(client, settings, calm), MortalDelivery(client, producer, settings, calm), settings)
        for _ in range(2)
    ]
    for keeper in keepers:
        keeper.load(0, len(records), {}, 0.0)
    for offset, record in enumerate(records):
        keepers[0].take(0, offset, record, 0.0)
    for offset, record in enumerate(records[:100]):
        keepers[1].take(0, offset, record, 0.0)
    assert keepers[0].save(1.0, everything=True) == set()
    assert keepers[1].save(1.0, everything=True) == {0}
    assert keepers[1].partitions() == []
    keepers[1].load(0, len(records), {}, 0.0)
    assert not keepers[1].take(0, len(records) - 1, records[-1], 0.0), "the other one had it"
    with pymongo.MongoClient(settings.mongodb_uri) as reader:
        reader.drop_database(settings.mongodb_database)
    client.close()


def test_a_state_does_not_take_a_new_log_for_the_one_that_it_knows(settings: Settings, producer: Producer) -> None:
    old = [
        replace(FacesRecord.decode(value), source=SourceOffset("frames", 0, number), log_id="old")
        for number, value in enumerate(walkers("a", 10, ago(4000)))
    ]
    client = connect(settings)

    def owner(end: int, source_ends: dict[str, int]) -> Keeper:
        checkpoints = MortalCheckpoints(client, settings, Fate(0, 0))
        keeper = Keeper(checkpoints, MortalDelivery(client, producer, settings, Fate(0, 0)), settings)
        keeper.load(0, end, source_ends, 0.0)
        return keeper

    def new(keeper: Keeper, records: Sequence[FacesRecord]) -> list[bool]:
        return [keeper.take(0, one.source.offset, one, 0.0, ordered=True) for one in records]

    keeper = owner(0, {})
    assert all(new(keeper, old))
    keeper.save(1.0, everything=True)
    keeper = owner(len(old), {"frames": len(old)})
    assert not any(new(keeper, old)), "repeats"
    assert all(new(keeper, [replace(one, log_id="new") for one in old[:20]]))
    assert not any(new(keeper, [replace(one, log_id="new") for one in old[:20]]))
    keeper.save(1.0, everything=True)
    keeper = owner(5, {"frames": 5})
    keeper.save(1.0, everything=True)
    keeper = owner(len(old), {"frames": len(old)})
    assert all(new(keeper, old)), "the log had ended before what the state held"
    with pymongo.MongoClient(settings.mongodb_uri) as reader:
        reader.drop_database(settings.mongodb_database)
    client.close()
