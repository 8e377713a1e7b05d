"""Topics: made with their partitions and retention where they are missing, and checked where they exist."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

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


@dataclass(frozen=True)
class TopicSpec:
    """A topic as the settings want it: its name, partitions and configuration."""

    name: str
    partitions: int
    config: Mapping[str, str]


@contextmanager
def kafka_errors(what: str) -> Iterator[None]:
    """Raise every error of kafka-python as `UnavailableError`, whose message begins with `what`."""
    try:
        yield
    except KafkaError as error:
        raise UnavailableError(f"{what}: {error}") from error


def ping_kafka(settings: Settings, timeout_s: float = 5.0) -> None:
    """Ask the brokers for their topics.

    Raises:
        UnavailableError: no broker answered in time.
    """
    with kafka_errors(f"Kafka at {settings.kafka_bootstrap_servers} does not answer"):
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
    with kafka_errors(f"Kafka at {settings.kafka_bootstrap_servers} does not answer"):
        config = common_config(settings, "admin") | {"bootstrap_timeout_ms": int(timeout_s * 1000)}
        admin = connect(KafkaAdminClient, config)
        try:
            return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
        finally:
            admin.close()


def ensure_topics(settings: Settings, timeout_s: float = 60.0) -> None:
    """Make every topic that is missing, and wait until each has its leaders. Safe to call from many processes at once.

    Raises:
        ConfigurationError: frames, uploads and Faces exist and differ in their number of partitions; it says how many
            each has, and how to mend it.
        UnavailableError: Kafka does not answer within `timeout_s`.
    """
    wanted = wanted_topics(settings)
    names = sorted({topic.name for topic in wanted})
    with kafka_errors("cannot make the topics"):
        config = common_config(settings, "admin") | {"bootstrap_timeout_ms": int(min(timeout_s, _CONNECT_S) * 1000)}
        admin = connect(KafkaAdminClient, config)
        try:
            known = set(admin.list_topics())
            for topic in wanted:
                if topic.name not in known:
                    try:
                        new = new_topic(topic, settings.replication_factor)
                        admin.create_topics([new], timeout_ms=int(timeout_s * 1000))
                        log.info("made topic %s with %d partitions", topic.name, topic.partitions)
                    except TopicAlreadyExistsError:
                        log.debug("topic %s was made by another process", topic.name)
            counts = _partition_counts(admin, names, time.monotonic() + timeout_s)
        finally:
            admin.close()
    problem = uneven_partitions({name: counts[name] for name in numbered_topics(settings)})
    if problem is not None:
        raise ConfigurationError(problem)


def owned_partitions(settings: Settings, group: str, timeout_s: float = 5.0) -> set[tuple[str, int]]:
    """Return the partitions that the members of a consumer group own, as the group's coordinator has them.

    Raises:
        UnavailableError: Kafka does not answer within `timeout_s`.
    """
    with kafka_errors(f"cannot read who owns the partitions of group {group}"):
        config = common_config(settings, "admin") | {"bootstrap_timeout_ms": int(timeout_s * 1000)}
        admin = connect(KafkaAdminClient, config)
        try:
            members = admin.describe_groups([group])[group]["members"]
        finally:
            admin.close()
    return {
        (topic["topic"], number)
        for member in members
        if member["member_assignment"]
        for topic in member["member_assignment"]["assigned_partitions"]
        for number in topic["partitions"]
    }


def numbered_topics(settings: Settings) -> tuple[str, str, str]:
    """Return frames, uploads and Faces: a result goes to the partition number of its source."""
    return settings.topic_frames, settings.topic_uploads, settings.topic_faces


def uneven_partitions(counts: Mapping[str, int]) -> str | None:
    """Say what is wrong if topics differ in their number of partitions, and how to mend it; None if they do not.

    Args:
        counts: the number of partitions of each of `numbered_topics`.
    """
    if len(set(counts.values())) <= 1:
        return None
    have = ", ".join(f"{name} has {count}" for name, count in counts.items())
    return (
        f"frames, uploads and Faces need the same number of partitions, as a result goes to the number of its source: "
        f"{have}; `crowdwatch topics apply` raises the others to {max(counts.values())}"
    )


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


def new_topic(spec: TopicSpec, replication_factor: int) -> NewTopic:
    """Return a topic as kafka-python makes one."""
    return NewTopic(spec.name, spec.partitions, replication_factor, topic_configs=dict(spec.config))


def wanted_topics(settings: Settings) -> list[TopicSpec]:
    """Return every topic of the installation, as the settings want it.

    The time of a record is the broker's (`LogAppendTime`): clocks of producers are wrong, and a record dated into the
    future would outlive its retention.
    """
    common = {"max.message.bytes": str(max_record_bytes(settings)), "message.timestamp.type": "LogAppendTime"}
    if settings.replication_factor > 2:  # acknowledged by a majority: a broker may go, and takes nothing along
        common["min.insync.replicas"] = str(settings.replication_factor // 2 + 1)
    pictures = common | {
        "retention.ms": str(int(settings.frames_retention_hours * _HOUR_MS)),
        "retention.bytes": str(-1 if settings.frames_retention_mib < 0 else settings.frames_retention_mib * _MIB),
    }
    results = common | {"retention.ms": str(int(settings.faces_retention_hours * _HOUR_MS))}
    return [
        TopicSpec(name, partitions, config)
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
