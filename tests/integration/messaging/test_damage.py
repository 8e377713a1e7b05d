"""Damaged logs: what cannot be decoded is stepped over, and everything else is read."""

import time
from contextlib import suppress

import pytest
from kafka import KafkaProducer
from prometheus_client import REGISTRY

from contracts.errors import UnavailableError, UnreadableError
from contracts.offsets import OffsetRange
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer
from messaging.reader import LogReader
from tests.integration.messaging import log_files as broken

COUNT = 12
KINDS = {
    "checksum": broken.flip,
    "unknown codec": broken.codec(7),
    "not gzip": broken.codec(1),
    "not zstd": broken.codec(4),
    "rubbish": broken.rubbish_records,
    "no records": broken.count(0),
    "far offset": broken.base_offset(2**62),
    "format 9": broken.magic(9),
    "format 0": broken.magic(0),
    "negative last offset": broken.last_offset_delta(-7),
    "length 0": broken.length(0),
    "short length": broken.length(20),
    "endless length": broken.length(2**31 - 1),
}
BAD = {3, 6}
MISLEADING = {"far offset", "format 0", "length 0", "short length", "endless length"}
"""Headers behind which the broker itself does not find the next batch."""


@pytest.fixture
def written(settings, servers, tmp_path_factory):
    """Send records of one batch each to partition 0 of Faces; returns what damages some of them."""
    ensure_topics(settings)
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","), linger_ms=0)
    for number in range(COUNT):
        producer.send(settings.topic_faces, b"%d" % number + bytes(3000), partition=0).get(30)
    producer.close()
    folder = tmp_path_factory.getbasetemp()

    def damage(changes):
        broken.damage(folder, settings.topic_faces, 0, changes)

    return damage


def unreadable(topic):
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "crowdwatch_log_unreadable_total" and sample.labels["topic"] == topic
    )


def numbers(records):
    return [int(record.value.rstrip(b"\0")) for record in records]


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_stepped_over_and_counted(settings, written, kind):
    bad = BAD
    written(dict.fromkeys(bad, KINDS[kind]))
    may_be_lost = bad | ({7} if kind in MISLEADING else set())
    place, seen = (settings.topic_faces, 0), []
    member = GroupConsumer(settings, f"{settings.group_prefix}-g", [settings.topic_faces])
    member.start()
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (member.assignment() and member.position(place) >= COUNT):
            seen += numbers(member.poll(200))
        assert member.position(place) == COUNT
    finally:
        member.close()
    assert set(range(COUNT)) - may_be_lost <= set(seen) <= set(range(COUNT)) - bad
    assert len(seen) == len(set(seen)), "nothing is given twice"
    assert unreadable(settings.topic_faces) >= len(bad)
    reader = LogReader(settings)
    reader.start()
    try:
        since, positions = [], {place: 0}
        while positions[place] < COUNT:
            with suppress(UnavailableError):  # as long as the broker may only be in trouble
                records, positions = reader.read_since(positions, limit=5, wait_s=1.0)
                since += numbers(records)
        assert set(range(COUNT)) - may_be_lost <= set(since) <= set(range(COUNT)) - bad
        with pytest.raises(UnreadableError):
            reader.read_range(*place, OffsetRange(0, COUNT))
        for number in range(COUNT):
            if number in may_be_lost - bad:
                with suppress(UnreadableError):  # the broker finds it, or does not
                    assert numbers(reader.read_range(*place, OffsetRange(number, number + 1)).records) == [number]
            elif number in bad:
                with pytest.raises(UnreadableError, match=f"{settings.topic_faces}/0"):
                    reader.read_range(*place, OffsetRange(number, number + 1))
            else:
                assert numbers(reader.read_range(*place, OffsetRange(number, number + 1)).records) == [number]
    finally:
        reader.close()


def test_a_record_whose_header_has_no_name_costs_its_batch_nothing_else(settings, written, tmp_path_factory):
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","), linger_ms=500)
    sent = [
        producer.send(settings.topic_faces, b"%d" % number, headers=[("name", b"x")], partition=1)
        for number in range(5)
    ]
    producer.flush()
    producer.close()
    assert [future.get(30).offset for future in sent] == [0, 1, 2, 3, 4]

    def spoil(batch: bytearray) -> None:
        at = -1
        for _ in range(3):  # the header of the third record
            at = batch.index(b"name", at + 1)
        batch[at] = 0xFF
        broken.sign(batch)

    broken.damage(tmp_path_factory.getbasetemp(), settings.topic_faces, 1, {0: spoil})
    reader = LogReader(settings)
    reader.start()
    try:
        records, after = reader.read_since({(settings.topic_faces, 1): 0}, limit=10)
        assert [record.value for record in records] == [b"0", b"1", b"3", b"4"]
        assert after == {(settings.topic_faces, 1): 5}
        for number in (0, 1, 3, 4):
            [record] = reader.read_range(settings.topic_faces, 1, OffsetRange(number, number + 1)).records
            assert record.value == b"%d" % number, "what follows it in the batch can be read"
        with pytest.raises(UnreadableError):
            reader.read_range(settings.topic_faces, 1, OffsetRange(2, 3))
    finally:
        reader.close()
    assert unreadable(settings.topic_faces) == 1
