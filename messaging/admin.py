"""Topics: made with their partitions and retention where they are missing, and checked where they exist."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from contracts.errors import ConfigurationError, UnavailableError
from messaging.client import common_config, connect, consumer_config, max_record_bytes
from settings import Settings

log = logging.getLogger(__name__)

_HOUR_MS = 3600 * 1000
_MIB = 1024 * 1024
_CONNECT_S = 10.0
"""After so long it is told why no broker lets us in; those who start a role try again."""


@contextmanager
def _kafka_errors(what: str) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise UnavailableError(f"{what}: {error}") from error


def ping_kafka(settings: Settings, timeout_s: float = 5.0) -> None:
    """Ask the brokers for their topics.

    Raises:
        UnavailableError: no broker answered in time.
    """
    with _kafka_errors(f"Kafka at {settings.kafka_bootstrap_servers} does not answer"):
        config = consumer_config(settings, "ping") | {"bootstrap_timeout_ms": int(timeout_s * 1000)}
        consumer = connect(KafkaConsumer, config)
        try:
            consumer.topics()
        finally:
            consumer.close(autocommit=False)


def partition_counts(settings: Settings, timeout_s: float = 5.0) -> dict[str, int]:
    """Return how many partitions each topic has.

    Raises:
        UnavailableError: Kafka does not answer within `timeout_s`.
    """
    with _kafka_errors(f"Kafka at {settings.kafka_bootstrap_servers} does not answer"):
        config = common_config(settings, "admin") | {"bootstrap_timeout_ms": int(timeout_s * 1000)}
        admin = connect(KafkaAdminClient, config)
        try:
            return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
        finally:
            admin.close()


def ensure_topics(settings: Settings, timeout_s: float = 60.0) -> None:
    """Make every topic that is missing, and wait until each has its leaders. Safe to call from many processes at once.

    Raises:
        ConfigurationError: frames, uploads and Faces exist and differ in their number of partitions.
        UnavailableError: Kafka does not answer within `timeout_s`.
    """
    wanted = _wanted(settings)
    names = sorted({topic.name for topic in wanted})
    with _kafka_errors("cannot make the topics"):
        config = common_config(settings, "admin") | {"bootstrap_timeout_ms": int(min(timeout_s, _CONNECT_S) * 1000)}
        admin = connect(KafkaAdminClient, config)
        try:
            known = set(admin.list_topics())
            for topic in wanted:
                if topic.name not in known:
                    try:
                        admin.create_topics([topic], timeout_ms=int(timeout_s * 1000))
                        log.info("made topic %s with %d partitions", topic.name, topic.num_partitions)
                    except TopicAlreadyExistsError:
                        log.debug("topic %s was made by another process", topic.name)
            counts = _partition_counts(admin, names, time.monotonic() + timeout_s)
        finally:
            admin.close()
    same = {name: counts[name] for name in (settings.topic_frames, settings.topic_uploads, settings.topic_faces)}
    if len(set(same.values())) > 1:
        raise ConfigurationError(f"frames, uploads and Faces need the same number of partitions, got {same}")


def _partition_counts(admin: KafkaAdminClient, names: list[str], deadline: float) -> dict[str, int]:
    """Wait until every partition has a leader, and return how many each topic has."""
    while True:
        topics = {topic["name"]: topic["partitions"] for topic in admin.describe_topics(names)}
        ready = {
            name: len(partitions)
            for name, partitions in topics.items()
            if partitions and all(partition["leader_id"] >= 0 for partition in partitions)
        }
        if len(ready) == len(names):
            return ready
        if time.monotonic() > deadline:
            raise UnavailableError(f"topics without a leader: {sorted(set(names) - set(ready))}")
        time.sleep(0.1)


def _wanted(settings: Settings) -> list[NewTopic]:
    common = {"max.message.bytes": str(max_record_bytes(settings))}
    if settings.replication_factor > 2:  # acknowledged by a majority: a broker may go, and takes nothing along
        common["min.insync.replicas"] = str(settings.replication_factor // 2 + 1)
    pictures = common | {
        "retention.ms": str(int(settings.frames_retention_hours * _HOUR_MS)),
        "retention.bytes": str(-1 if settings.frames_retention_mib < 0 else settings.frames_retention_mib * _MIB),
    }
    results = common | {"retention.ms": str(int(settings.faces_retention_hours * _HOUR_MS))}
    return [
        NewTopic(name, partitions, settings.replication_factor, topic_configs=config)
        for name, partitions, config in (
            (settings.topic_frames, settings.partitions, pictures),
            (settings.topic_uploads, settings.partitions, pictures),
            (settings.topic_media, settings.partitions, pictures),
            (settings.topic_faces, settings.partitions, results),
            (settings.topic_dead, 1, pictures),
            (settings.topic_events, settings.partitions, results),
            (settings.topic_alerts, 1, results),
            *((name, 1, results) for name in sorted({settings.topic_chat, *settings.send_topics})),
        )
    ]
