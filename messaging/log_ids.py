"""The ids that Kafka gives topics (KIP-516): a topic that is deleted and made again has another one."""

import base64
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from contracts.errors import UnavailableError
from messaging.client import connect, consumer_config
from settings import Settings

_CALL_MS = 3000


def id_text(topic_id: uuid.UUID | None) -> str | None:
    """Return an id as Kafka's own tools print it, None if there is none."""
    if topic_id is None or not topic_id.int:
        return None
    return base64.urlsafe_b64encode(topic_id.bytes).rstrip(b"=").decode()


def ask_log_ids(consumer: KafkaConsumer, topics: Sequence[str]) -> dict[str, str]:
    """Ask the brokers for the ids of `topics` now. A topic that does not exist is left out; on Kafka before 2.8, all.

    Raises:
        KafkaError: no broker answered in time.
    """
    cluster = consumer._client.cluster  # noqa: SLF001  # there is no other way to it
    for topic in topics:
        cluster.add_topic(topic)
    if cluster.metadata_refresh_in_progress:  # its answer may be from before this call
        consumer._net.run(cluster.refresh_metadata)  # noqa: SLF001
    consumer._net.run(cluster.refresh_metadata)  # noqa: SLF001
    found = {topic: id_text(cluster.topic_id(topic)) for topic in topics}
    return {topic: log_id for topic, log_id in found.items() if log_id is not None}


class IdWatch:
    """Notices that a topic was deleted and made again, by the metadata that a consumer fetches now and then."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def replaced(self, consumer: KafkaConsumer, topics: Sequence[str]) -> set[str]:
        """Return those of `topics` that have another id than at the last call."""
        found = set()
        for topic in topics:
            log_id = id_text(consumer._client.cluster.topic_id(topic))  # noqa: SLF001
            if log_id is not None:
                if self._ids.setdefault(topic, log_id) != log_id:
                    found.add(topic)
                self._ids[topic] = log_id
        return found


class CurrentLogs:
    """Tells the ids of topics as they are now. Shared by threads: those that ask at the same time share one question.

    It has a connection of its own, made when it is first needed.
    """

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._settings = settings
        self.topics = tuple(topics)
        self._lock = threading.Lock()
        self._consumer: Any = None
        self._ids: Mapping[str, str] = {}
        self._asked_s = float("-inf")

    def ask(self, since_s: float | None = None) -> Mapping[str, str]:
        """Return the id of each topic that exists, as Kafka told it after `since_s`.

        Args:
            since_s: a time by `time.monotonic`; now if it is left out.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        since_s = time.monotonic() if since_s is None else since_s
        with self._lock:
            if self._asked_s < since_s:
                asked_s = time.monotonic()
                self._ids = self._ask()
                self._asked_s = asked_s
            return self._ids

    def last(self) -> Mapping[str, str]:
        """Return what the last answer was; nothing before the first."""
        return self._ids

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            self._disconnect()

    def _ask(self) -> dict[str, str]:
        try:
            if self._consumer is None:
                config = consumer_config(self._settings, "log-ids") | {
                    "group_id": None,
                    "bootstrap_timeout_ms": _CALL_MS,
                    "request_timeout_ms": _CALL_MS,
                }
                self._consumer = connect(KafkaConsumer, config)
            return ask_log_ids(self._consumer, self.topics)
        except KafkaError as error:
            self._disconnect()
            raise UnavailableError(f"cannot read the ids of {', '.join(self.topics)}: {error!r}") from error
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
            self._consumer = None
