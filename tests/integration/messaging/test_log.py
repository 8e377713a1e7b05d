"""Producer, range reader, groups and followers against a real broker."""

import base64
import gc
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from contracts.errors import ConfigurationError, ContractError, UnavailableError
from contracts.frames import FrameHeaders, Origin
from contracts.offsets import OffsetRange
from messaging import consumer
from messaging.admin import ensure_topics, owned_partitions, ping_kafka
from messaging.consumer import Follower, GroupConsumer
from messaging.producer import Producer
from messaging.reader import LogReader
from messaging.topics import apply_topics


@pytest.fixture
def topics(settings):
    ensure_topics(settings)
    return settings


@pytest.fixture
def producer(topics):
    producer = Producer(topics)
    producer.start()
    yield producer
    producer.close()


@pytest.fixture
def reader(topics):
    reader = LogReader(topics)
    reader.start()
    yield reader
    reader.close()


@pytest.fixture
def admin(settings):
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    yield admin
    admin.close()


def _send(producer, topic, count, partition=0, size=0):
    return [
        producer.send(topic, b"%d" % number + bytes(size), partition=partition).result(30).offset
        for number in range(count)
    ]


def test_topics_are_made_once_and_checked_afterwards(topics):
    ensure_topics(topics)
    with pytest.raises(ConfigurationError, match=r"same number of partitions.*has 4.*has 1.*crowdwatch topics apply"):
        ensure_topics(topics.model_copy(update={"topic_uploads": topics.topic_chat}))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_is_not_there_is_told_of(settings):
    nowhere = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"):
        ping_kafka(nowhere, timeout_s=1.0)
    gc.collect()  # kafka-python leaves the sockets of refused connections to the collector
    ping_kafka(settings)


def test_a_frame_keeps_key_headers_and_bytes(topics, producer, reader):
    headers = FrameHeaders(frame_id=4, origin=Origin.FILE)
    sent = producer.send_frame(topics.topic_frames, "gate-1", b"picture", headers).result(30)
    [record] = reader.read_range(sent.topic, sent.partition, OffsetRange(sent.offset, sent.offset + 1)).records
    assert (record.source, record.key, record.value) == (sent, b"gate-1", b"picture")
    assert FrameHeaders.decode(record.headers) == headers


def test_the_largest_picture_goes_through_and_a_larger_one_is_refused(topics, producer, reader):
    largest = bytes(topics.max_picture_bytes)
    sent = producer.send(topics.topic_frames, largest, partition=0).result(60)
    [record] = reader.read_range(sent.topic, 0, OffsetRange(sent.offset, sent.offset + 1)).records
    assert len(record.value) == len(largest)
    with pytest.raises(UnavailableError):
        producer.send(topics.topic_frames, largest + bytes(1_000_000), partition=0).result(60)


def test_ranges_come_back_exactly_in_any_order_of_reads_over_many_partitions(topics, producer, reader):
    for partition in range(topics.partitions):
        _send(producer, topics.topic_frames, 60, partition, size=20_000)
    for step in (1, 7, 16):
        for start in range(0, 60 - step, 13):
            for partition in range(topics.partitions):
                read = reader.read_range(topics.topic_frames, partition, OffsetRange(start, start + step))
                assert [record.source.offset for record in read.records] == list(range(start, start + step))
                assert {record.source.partition for record in read.records} == {partition}
                assert [int(record.value[:2].rstrip(b"\0")) for record in read.records] == list(
                    range(start, start + step)
                )
                assert not read.gaps
                assert not read.expired


def test_a_large_range_comes_in_parts_and_one_given_up_leaves_nothing_behind(topics, producer, reader):
    for partition in (0, 1):
        _send(producer, topics.topic_frames, 12, partition, size=300_000)
    parts = list(reader.read_parts(topics.topic_frames, 0, OffsetRange(1, 11)))
    assert len(parts) > 1
    assert [record.source.offset for part in parts for record in part.records] == list(range(1, 11))
    for partition, start in ((0, 4), (0, 0), (1, 7)):
        given_up = reader.read_parts(topics.topic_frames, 0, OffsetRange(0, 12))
        assert next(given_up).records[0].source.offset == 0
        given_up.close()
        read = reader.read_range(topics.topic_frames, partition, OffsetRange(start, start + 5))
        assert [record.source.offset for record in read.records] == list(range(start, start + 5))
        assert {record.source.partition for record in read.records} == {partition}


def test_markers_and_aborted_records_of_transactions_are_gaps(topics, reader):
    producer = KafkaProducer(
        bootstrap_servers=topics.kafka_bootstrap_servers.split(","), transactional_id=f"t-{topics.mongodb_database}"
    )
    try:
        producer.init_transactions()
        for abort in (False, True, False):
            producer.begin_transaction()
            for _ in range(2):
                producer.send(topics.topic_frames, b"x", partition=1)
            producer.flush()
            producer.abort_transaction() if abort else producer.commit_transaction()
    finally:
        producer.close()
    # 0 1 marker(2) | aborted 3 4 marker(5) | 6 7 marker(8)
    read = reader.read_range(topics.topic_frames, 1, OffsetRange(0, 9))
    assert [record.source.offset for record in read.records] == [0, 1, 6, 7]
    assert sorted(offset for gap in read.gaps for offset in range(gap.start, gap.stop)) == [2, 3, 4, 5, 8]
    assert reader.read_range(topics.topic_frames, 1, OffsetRange(3, 5)).records == []


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_what_foreign_producers_compress_is_read(topics, reader, codec):
    producer = KafkaProducer(
        bootstrap_servers=topics.kafka_bootstrap_servers.split(","),
        compression_type=codec,
        linger_ms=100,
        batch_size=4_000_000,
        max_request_size=8_000_000,
    )
    values = [bytes([number]) * 700_000 for number in range(5)]  # more than one zstd window of 1 MB
    try:
        sent = [producer.send(topics.topic_frames, value, partition=0) for value in values]
        offsets = [future.get(30).offset for future in sent]
    finally:
        producer.close()
    read = reader.read_range(topics.topic_frames, 0, OffsetRange(offsets[0], offsets[-1] + 1))
    assert [record.value for record in read.records] == values


def test_what_retention_removed_is_told_and_not_waited_for(topics, producer, reader, admin):
    _send(producer, topics.topic_frames, 10)
    admin.delete_records({TopicPartition(topics.topic_frames, 0): 6})
    started = time.monotonic()
    read = reader.read_range(topics.topic_frames, 0, OffsetRange(2, 8))
    assert read.expired == [OffsetRange(2, 6)]
    assert [record.source.offset for record in read.records] == [6, 7]
    gone = reader.read_range(topics.topic_frames, 0, OffsetRange(0, 3))
    assert (gone.records, gone.expired) == ([], [OffsetRange(0, 3)])
    assert time.monotonic() - started < 10


def test_compaction_leaves_gaps(topics, admin):
    name = f"{topics.topic_frames}-compacted"
    configs = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.ms": "200",
        "max.compaction.lag.ms": "200",
        "delete.retention.ms": "100",
    }
    admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs)])
    producer, reader = Producer(topics), LogReader(topics)
    producer.start()
    reader.start()
    try:
        deadline = time.monotonic() + 90
        last = 0
        while time.monotonic() < deadline:
            last = producer.send(name, b"x", key=b"k", partition=0).result(30).offset
            read = reader.read_range(name, 0, OffsetRange(0, last + 1))
            if read.gaps:
                break
            time.sleep(0.5)
        answered = {record.source.offset for record in read.records}
        answered |= {offset for gap in [*read.gaps, *read.expired] for offset in range(gap.start, gap.stop)}
        assert read.gaps, "the broker has compacted"
        assert answered == set(range(last + 1))
    finally:
        producer.close()
        reader.close()


def test_a_range_that_was_never_written_is_an_error(topics, producer, reader):
    _send(producer, topics.topic_frames, 2)
    with pytest.raises(ContractError, match="never written"):
        reader.read_range(topics.topic_frames, 0, OffsetRange(1, 4))
    with pytest.raises(ContractError, match="never written"):
        reader.read_range(topics.topic_frames, 0, OffsetRange(100, 104))


def test_reading_on_from_positions_gives_each_record_once(topics, producer, reader):
    _send(producer, topics.topic_chat, 25)
    positions = reader.positions_at([topics.topic_chat], datetime.now(timezone.utc) - timedelta(hours=1))
    seen = []
    while True:
        records, positions = reader.read_since(positions, limit=10)
        if not records:
            break
        seen += [record.source.offset for record in records]
    assert seen == list(range(25))
    later = reader.positions_at([topics.topic_chat], datetime.now(timezone.utc) + timedelta(hours=1))
    assert later == positions


def test_a_topic_that_is_made_anew_has_another_id(topics, producer, reader, admin):
    name = f"{topics.topic_frames}-anew"
    seen = []
    for _ in range(2):
        admin.create_topics([NewTopic(name, 1, 1)])
        reader.close()
        reader.start()
        seen.append(reader.log_id(name))
        assert reader.log_id(name) == seen[-1]
        [described] = admin.describe_topics([name])
        assert seen[-1] == base64.urlsafe_b64encode(uuid.UUID(described["topic_id"]).bytes).decode()[:22]
        admin.delete_topics([name])
        deadline = time.monotonic() + 20
        while name in admin.list_topics():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert seen[0] != seen[1]
    assert reader.log_id(topics.topic_frames) not in (None, *seen)
    with pytest.raises(UnavailableError, match="no topic"):
        reader.log_id("no-such-topic")


def test_the_ends_of_partitions_are_told_as_they_move(topics, producer, reader):
    place = (topics.topic_faces, 0)
    for count in (3, 6):
        _send(producer, topics.topic_faces, 3)
        assert reader.ends([place]) == {place: count}


def test_a_member_commits_with_metadata_and_the_next_one_finds_it(topics, producer):
    _send(producer, topics.topic_faces, 3)
    place = (topics.topic_faces, 0)
    for expected in (None, (2, "77")):
        member = GroupConsumer(topics, f"{topics.group_prefix}-g", [topics.topic_faces])
        member.start()
        try:
            deadline = time.monotonic() + 30
            while not member.assignment() and time.monotonic() < deadline:
                member.poll(200)
            assert member.committed(place) == expected
            assert member.commit({place: (2, "77")})
        finally:
            member.close()


def test_numbers_that_a_topic_lacks_are_given_to_nobody_and_said_so(topics, producer, admin):
    admin.create_partitions({topics.topic_frames: 6})
    names = [topics.topic_frames, topics.topic_faces]
    members = [GroupConsumer(topics, f"{topics.group_prefix}-g", names) for _ in range(2)]
    try:
        for member in members:
            member.start()
        deadline = time.monotonic() + 30
        while any(len(member.assignment()) != 4 for member in members) and time.monotonic() < deadline:
            for member in members:
                member.poll(100)
        for member in members:
            by_topic = [{number for topic, number in member.assignment() if topic == name} for name in names]
            assert by_topic[0] == by_topic[1] and len(by_topic[0]) == 2, "a result finds the owner of its source"
            assert f"{topics.topic_frames} has 6, {topics.topic_faces} has 4" in member.problem
            assert "crowdwatch topics apply" in member.problem
        with pytest.raises(UnavailableError, match=r"has 4 partitions and none of number 5.*topics apply"):
            producer.send(topics.topic_faces, b"x", partition=5)
        apply_topics(topics)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                producer.send(topics.topic_faces, b"x", partition=5).result(30)
                break
            except UnavailableError:
                time.sleep(0.1)
        assert time.monotonic() < deadline, "the producer finds the partition that was added"
    finally:
        for member in members:
            member.close()


def test_a_spare_member_leaves_the_others_alone_and_a_forgotten_one_joins_again(topics, monkeypatch):
    monkeypatch.setattr(consumer, "_JOIN_AGAIN_S", 1.0)
    told, names = [], [topics.topic_alerts]  # one partition
    owner, spare = (
        GroupConsumer(topics, f"{topics.group_prefix}-g", names, on_assigned=told.append, on_revoked=told.append)
        for _ in range(2)
    )
    try:
        owner.start()
        deadline = time.monotonic() + 30
        while not owner.assignment() and time.monotonic() < deadline:
            owner.poll(100)
        spare.start()
        while time.monotonic() < deadline and owned_partitions(topics, f"{topics.group_prefix}-g") != {(names[0], 0)}:
            owner.poll(100)
            spare.poll(100)
        end = time.monotonic() + 3
        while time.monotonic() < end:  # until the spare's own join is seen through
            owner.poll(100)
            spare.poll(100)
        told.clear()
        one, other = (owner, spare) if owner.assignment() else (spare, owner)
        end = time.monotonic() + 10  # the spare looks after 1, 2 and 4 s
        while time.monotonic() < end:
            one.poll(100)
            other.poll(100)
        assert told == [] and one.assignment() == {(names[0], 0)}, "no rebalance"
        one._consumer.unsubscribe()  # as if it had been forgotten, with nobody to take its share
        one._join_again_at, one._join_again_after_s = time.monotonic(), 1.0
        monkeypatch.setattr(consumer, "owned_partitions", lambda *_: set())
        other.close()
        deadline = time.monotonic() + 30
        while not one.assignment() and time.monotonic() < deadline:
            one.poll(100)
        assert one.assignment() == {(names[0], 0)}
    finally:
        owner.close()
        spare.close()


def test_a_rebalance_that_a_poll_does_not_wait_for_is_seen_through(topics):
    place, told = (topics.topic_faces, 0), []
    member = GroupConsumer(topics, f"{topics.group_prefix}-g", [topics.topic_faces], on_assigned=told.append)
    member.start()
    try:
        deadline = time.monotonic() + 30
        while not member.commit({place: (0, "")}) and time.monotonic() < deadline:
            member.poll(200)
        told.clear()
        coordinator = member._consumer._coordinator
        coordinator._assignment_snapshot = {}  # as when the topics have changed since
        while not coordinator.rebalance_in_progress() and time.monotonic() < deadline:
            member.poll(0)
        time.sleep(1)  # the join goes on in a thread of kafka-python's
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            member.poll(0)
        assert [place in places for places in told] == [True]
        assert member.commit({place: (0, "")})
    finally:
        member.close()


def test_a_follower_sees_what_comes_after_it_started(topics, producer):
    _send(producer, topics.topic_faces, 3)
    follower = Follower(topics, topics.topic_faces)
    follower.start()
    try:
        producer.send(topics.topic_faces, b"new", partition=2).result(30)
        deadline, seen = time.monotonic() + 20, []
        while not seen and time.monotonic() < deadline:
            seen = follower.poll(200)
        assert [record.value for record in seen] == [b"new"]
    finally:
        follower.close()


def test_large_records_are_given_in_several_calls(topics, producer, reader):
    sizes = [15 * 1024 * 1024] * 6
    for size in sizes:
        producer.send(topics.topic_chat, bytes(size), partition=0).result(60)
    positions, read = {(topics.topic_chat, 0): 0}, []
    while len(read) < len(sizes):
        records, positions = reader.read_since(positions, limit=1000)
        assert 0 < len(records) < len(sizes)
        read += records
    assert [record.source.offset for record in read] == [0, 1, 2, 3, 4, 5]
