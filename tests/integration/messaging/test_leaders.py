"""Readers of a cluster whose leaders change while every broker answers."""

import time

import pytest
from kafka import KafkaAdminClient, TopicPartition

from bench.fleet import Fleet
from contracts.errors import UnavailableError
from messaging.admin import ensure_topics
from messaging.producer import Producer
from messaging.reader import LogReader
from settings import Settings

FOUND_WITHIN_S = 30


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Fleet(Settings(), tmp_path_factory.mktemp("cluster"), roles=(), brokers=2) as fleet:
        ensure_topics(fleet.settings)
        yield fleet.settings


def _leader(admin, place):
    [topic] = admin.describe_topics([place[0]])
    [leader] = [one["leader_id"] for one in topic["partitions"] if one["partition_index"] == place[1]]
    return leader


def test_the_end_of_a_partition_is_found_again_when_another_broker_leads_it(cluster):
    place = (cluster.topic_frames, 0)
    producer, reader = Producer(cluster), LogReader(cluster)
    admin = KafkaAdminClient(bootstrap_servers=cluster.kafka_bootstrap_servers.split(","))
    try:
        producer.start()
        producer.send(place[0], b"frame", partition=0).result(30)
        reader.start(topics=[place[0]])
        assert reader.ends([place]) == {place: 1}
        before = _leader(admin, place)
        admin.alter_partition_reassignments({TopicPartition(*place): [3 - before]})
        deadline = time.monotonic() + FOUND_WITHIN_S
        while _leader(admin, place) == before:
            assert time.monotonic() < deadline, "the partition is led by another broker"
            time.sleep(0.1)
        deadline = time.monotonic() + FOUND_WITHIN_S
        while True:
            try:
                assert reader.ends([place]) == {place: 1}
                break
            except UnavailableError:
                assert time.monotonic() < deadline, "the reader still asks the broker that led it before"
    finally:
        reader.close()
        producer.close()
        admin.close()
