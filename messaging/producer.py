"""The one Kafka producer: idempotent, acknowledged by all in-sync replicas."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from contracts.errors import TooLargeError, UnavailableError
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from messaging.client import common_config, connect, max_record_bytes
from settings import Settings

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class Producer:
    """Sends records; each send returns a future of the record's place in the log.

    Threads may share it; processes may not: make it after a fork.
    """

    def __init__(self, settings: Settings, *, linger_ms: int = 0, max_block_s: float = 10.0) -> None:
        self._settings = settings
        self._linger_ms = linger_ms
        self._max_block_s = max_block_s
        self._producer: KafkaProducer | None = None

    def start(self) -> None:
        """Connect; anew, if it was started before.

        Raises:
            UnavailableError: no broker answers.
        """
        self.close(timeout_s=0)
        record_bytes = max_record_bytes(self._settings)
        try:
            self._producer = connect(
                KafkaProducer,
                common_config(self._settings, "producer")
                | {
                    "acks": "all",
                    "enable_idempotence": True,
                    "linger_ms": self._linger_ms,
                    "batch_size": 256 * 1024,
                    "max_request_size": record_bytes,
                    "max_block_ms": int(self._max_block_s * 1000),
                    "delivery_timeout_ms": 120_000,
                    "allow_auto_create_topics": False,
                },
            )
        except KafkaError as error:
            raise UnavailableError(f"Kafka does not answer: {error}") from error

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> "Future[SourceOffset]":
        """Hand a record to the producer; the future tells its place once all in-sync replicas have it.

        Raises:
            TooLargeError: the record is larger than the producer sends; what the broker finds too large, the future
                raises.
            UnavailableError: the topic's metadata or room in the buffer did not come in time, or the topic has no such
                partition.
        """
        if self._producer is None:
            raise UnavailableError("the producer was not started")
        if value is None and key is None:
            key = b""  # kafka-python refuses a record with neither; what settles a gap has neither
        acknowledged: Future[SourceOffset] = Future()

        def done(metadata: Any) -> None:
            acknowledged.set_result(SourceOffset(metadata.topic, metadata.partition, metadata.offset))

        def failed(error: BaseException) -> None:
            kind = TooLargeError if isinstance(error, _TOO_LARGE) else UnavailableError
            acknowledged.set_exception(kind(f"Kafka did not take the record: {error}"))

        try:
            sent = self._producer.send(topic, value=value, key=key, partition=partition, headers=headers)
        except _TOO_LARGE as error:
            raise TooLargeError(f"the record is too large: {error}") from error
        except KafkaError as error:
            raise UnavailableError(f"Kafka does not take records: {type(error).__name__}: {error}") from error
        except ValueError as error:
            raise UnavailableError(self._no_partition(topic, partition)) from error
        sent.add_callback(done)
        sent.add_errback(failed)
        return acknowledged

    def _no_partition(self, topic: str, partition: int | None) -> str:
        """Say that a topic lacks a partition; have kafka-python look again, as it may have been added since."""
        assert self._producer is not None
        metadata = self._producer._metadata  # noqa: SLF001  # there is no other way to it
        metadata.request_update()
        count = len(metadata.partitions_for_topic(topic) or ())
        return (
            f"topic {topic} has {count} partitions and none of number {partition}: frames, uploads and Faces need the "
            f"same number, `crowdwatch topics apply` adds what is missing"
        )

    def send_all(self, records: "Sequence[tuple[str, bytes, bytes]]", timeout_s: float = 60.0) -> None:
        """Send records (topic, key, value) and wait until all in-sync replicas have all of them.

        Raises:
            UnavailableError: Kafka refused one, or did not acknowledge all within `timeout_s`.
        """
        if self._producer is None:
            raise UnavailableError("the producer was not started")
        deadline = time.monotonic() + timeout_s
        try:
            sent = [self._producer.send(topic, value=value, key=key) for topic, key, value in records]
            for one in sent:
                if not one.succeeded():  # most are, once the first has been waited for
                    one.get(timeout=max(0.0, deadline - time.monotonic()))
        except KafkaError as error:
            raise UnavailableError(f"Kafka did not take all records: {type(error).__name__}: {error}") from error

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        """Send a picture, keyed by its camera so that the camera's frames keep their order.

        Raises:
            UnavailableError: as `send`.
        """
        return self.send(topic, picture, key=camera_id.encode(), headers=headers.encode())

    def flush(self, timeout_s: float) -> None:
        """Wait until everything sent so far is acknowledged or has failed.

        Raises:
            UnavailableError: that did not happen in time.
        """
        if self._producer is None:
            return
        try:
            self._producer.flush(timeout=timeout_s)
        except KafkaError as error:
            raise UnavailableError(f"Kafka did not acknowledge in {timeout_s:g} s: {error}") from error

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, for `timeout_s` at most, and disconnect."""
        if self._producer is not None:
            self._producer.close(timeout=timeout_s)
            self._producer = None


def wait_for_all(sent: "Sequence[Future[SourceOffset]]", timeout_s: float = 60.0) -> None:
    """Wait until Kafka has acknowledged all of them.

    Raises:
        UnavailableError: it refused one, or did not answer within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    for future in sent:
        try:
            future.result(timeout=max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError as error:
            raise UnavailableError(f"Kafka did not acknowledge within {timeout_s:g} s") from error
