"""What every Kafka client of the project has in common."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from kafka.net.compat import KafkaNetClient

from settings import Settings

_PROTOCOL_SLACK_BYTES = 256 * 1024

Client = TypeVar("Client")


def common_config(settings: Settings, part: str) -> dict[str, Any]:
    """Return the options that producers, consumers and admin clients share; `part` names the client in broker logs."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "client_id": f"crowdwatch-{part}-{os.getpid()}",
        "reconnect_backoff_max_ms": 2000,
        "receive_message_max_bytes": max(100_000_000, 2 * max_record_bytes(settings)),
    }


def consumer_config(settings: Settings, part: str) -> dict[str, Any]:
    """Return the options of every consumer: records of aborted transactions are not seen, and no topic is made."""
    return common_config(settings, part) | {
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
    }


def max_record_bytes(settings: Settings) -> int:
    """Largest record in bytes: the largest picture with its headers."""
    return settings.max_picture_bytes + _PROTOCOL_SLACK_BYTES


def connect(make: Callable[..., Client], config: dict[str, Any]) -> Client:
    """Make a Kafka client, whose constructor connects; when it fails, close what kafka-python leaves open.

    Raises:
        KafkaError: no broker answers, or an option is wrong.
    """
    connections: list[KafkaNetClient] = []

    def open_connection(**options: Any) -> KafkaNetClient:
        connections.append(KafkaNetClient(**options))
        return connections[-1]

    try:
        return make(**config, kafka_client=open_connection)
    except BaseException:
        for connection in connections:
            connection.close()
        raise
