"""Topics that exist, compared with the settings, and changed to match them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, RetriableError, TopicAlreadyExistsError

from contracts.errors import ConfigurationError
from messaging.admin import TopicSpec, kafka_errors, new_topic, numbered_topics, wanted_topics
from messaging.client import common_config, connect
from settings import Settings

_CONNECT_S = 5.0
_CALL_MS = 30_000


@dataclass(frozen=True)
class TopicState:
    """A topic of the installation: what the settings want, and what the brokers have.

    Attributes:
        wanted: what the settings ask for; `partitions` is the number to raise it to, never lower than what is there.
        partitions: how many there are; 0 if the topic does not exist.
        config: the current value of each key of `wanted.config`.
    """

    wanted: TopicSpec
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether the brokers have the topic."""
        return self.partitions > 0

    @property
    def differences(self) -> dict[str, tuple[str, str]]:
        """Return what differs: by configuration key (or `partitions`), the value found and the one wanted."""
        if not self.exists:
            return {}
        found = {"partitions": str(self.partitions), **self.config}
        wanted = {"partitions": str(self.wanted.partitions), **self.wanted.config}
        return {key: (found.get(key, "unset"), value) for key, value in wanted.items() if found.get(key) != value}


def examine_topics(settings: Settings) -> list[TopicState]:
    """Compare every topic of the installation with the settings.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    with kafka_errors(f"Kafka at {settings.kafka_bootstrap_servers} does not answer"):
        admin = _connect(settings)
        try:
            return _examine(admin, settings)
        finally:
            admin.close()


def apply_topics(settings: Settings) -> list[TopicState]:
    """Make missing topics, set what differs, and add partitions; return the states before.

    Partitions can only be added. `frames`, `uploads` and `Faces` get the largest number that one of them has, or that
    the settings ask for.

    Raises:
        ConfigurationError: the brokers refuse a change; what was changed before stays so.
        UnavailableError: Kafka does not answer.
    """
    with kafka_errors("cannot change the topics"):
        admin = _connect(settings)
        try:
            before = _examine(admin, settings)
            for state in before:
                _apply(admin, state, settings.replication_factor)
            return before
        finally:
            admin.close()


def _connect(settings: Settings) -> KafkaAdminClient:
    return connect(
        KafkaAdminClient, common_config(settings, "admin") | {"bootstrap_timeout_ms": int(_CONNECT_S * 1000)}
    )


def _examine(admin: KafkaAdminClient, settings: Settings) -> list[TopicState]:
    specs = {spec.name: spec for spec in wanted_topics(settings)}
    counts = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    together = numbered_topics(settings)
    largest = max(settings.partitions, *(counts.get(name, 0) for name in together))
    there = [name for name in specs if name in counts]
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict(specs[name].config)) for name in there]
    described = admin.describe_configs(resources, config_filter="all").get("topic", {}) if there else {}
    states = []
    for name, spec in specs.items():
        found = counts.get(name, 0)
        wanted = TopicSpec(name, max(found, largest if name in together else spec.partitions), spec.config)
        config = {key: str(entry["value"]) for key, entry in described.get(name, {}).items()}
        states.append(TopicState(wanted, found, config))
    return states


def _apply(admin: KafkaAdminClient, state: TopicState, replication_factor: int) -> None:
    name, wanted = state.wanted.name, state.wanted
    config = {key: value for key, (_, value) in state.differences.items() if key != "partitions"}
    try:
        if not state.exists:
            admin.create_topics([new_topic(wanted, replication_factor)], timeout_ms=_CALL_MS)
        if config:
            answer = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config)])["topic"][name]
            if answer != "OK":
                raise ConfigurationError(f"Kafka refuses {config} for topic {name}: {answer}")
        if 0 < state.partitions < wanted.partitions:
            admin.create_partitions({name: wanted.partitions}, timeout_ms=_CALL_MS)
    except TopicAlreadyExistsError:  # made by a role meanwhile
        return
    except RetriableError:
        raise
    except KafkaError as error:
        raise ConfigurationError(f"Kafka refuses to change topic {name}: {error}") from error
