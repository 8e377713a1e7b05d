"""A member of a consumer group that owns partition numbers across several topics, and a follower of a topic's end."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata

from contracts.errors import UnavailableError
from messaging.admin import owned_partitions, uneven_partitions
from messaging.client import connect, consumer_config
from messaging.damage import DamageReport, step_over_damage
from messaging.log_ids import IdWatch
from messaging.offsets import end_offsets, first_offsets
from messaging.records import LogRecord
from settings import Settings

log = logging.getLogger(__name__)

Place = tuple[str, int]
"""Topic and partition."""

_SESSION_MS = 6000
_CALL_MS = 5000
_FIRST_TRY_MS = 1000  # fetches on the same connection are held back for up to 500
_REBALANCE_MS = 1000
_METADATA_MAX_AGE_MS = 5000
"""It takes so long at most to notice that a topic that nobody fetches was made again."""

_JOIN_AGAIN_S = 20.0
_JOIN_AGAIN_MOST_S = 640.0


class GroupConsumer:
    """A member of a consumer group: polls, tells of partitions that come and go, and commits what it is told.

    `on_assigned` and `on_revoked` are called from within `poll`, in the caller's thread, when it has happened.

    A member owns the same partition numbers of each topic. Numbers that a topic lacks are given to nobody: `problem`
    says so, and the others are worked on. Records that cannot be decoded are stepped over and counted.

    A member that is killed is found missing after 6 s; one that closes leaves at once.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Sequence[str],
        *,
        on_assigned: Callable[[set[Place]], None] | None = None,
        on_revoked: Callable[[set[Place]], None] | None = None,
        fetch_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = list(topics)
        self._listener = _Listener(on_assigned, on_revoked)
        self._fetch_bytes = fetch_bytes
        self._consumer: KafkaConsumer | None = None
        self._ids = IdWatch()
        self._replaced: set[str] = set()
        self.problem: str | None = None
        """Why some partitions are given to nobody, and how to mend it."""
        self._join_again_after_s = _JOIN_AGAIN_S
        self._join_again_at = math.inf

    def start(self) -> None:
        """Connect and subscribe; partitions come with a later `poll`.

        Raises:
            UnavailableError: no broker answers.
        """
        try:
            self._consumer = connect(
                KafkaConsumer,
                consumer_config(self._settings, self._group)
                | {
                    "group_id": self._group,
                    "auto_offset_reset": "earliest",
                    "partition_assignment_strategy": (_NumberAssignor,),
                    "session_timeout_ms": _SESSION_MS,
                    "heartbeat_interval_ms": _SESSION_MS // 4,
                    "max_poll_interval_ms": 600_000,
                    "max_partition_fetch_bytes": self._fetch_bytes,
                    "enable_incremental_fetch_sessions": False,
                    "metadata_max_age_ms": _METADATA_MAX_AGE_MS,
                },
            )
            step_over_damage(self._consumer, DamageReport())
            for topic in self._topics:  # a leader that joins before it knows the topics gives everybody nothing
                if not self._consumer.partitions_for_topic(topic):
                    raise UnavailableError(f"Kafka has no topic {topic}")
            self._subscribe()
        except KafkaError as error:
            raise UnavailableError(f"Kafka does not answer: {error}") from error

    def close(self) -> None:
        """Leave the group and disconnect."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=_CALL_MS)
            self._consumer = None

    def poll(self, timeout_ms: int, max_records: int = 500) -> list[LogRecord]:
        """Return the next records of the partitions that are owned and not paused.

        While the group is rebalanced it takes up to a second, whatever `timeout_ms` says.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        consumer = self._started()
        try:
            if _see_rebalance_through(consumer):
                timeout_ms = max(timeout_ms, _REBALANCE_MS)
            batches = consumer.poll(timeout_ms=timeout_ms, max_records=max_records)
            if self._listener.tell():
                self._compare_topics(consumer)
            self._join_again_if_forgotten(consumer)
            replaced = self._ids.replaced(consumer, self._topics)
            if replaced:
                again = self._begin_anew(consumer, replaced)
                batches = {place: batch for place, batch in batches.items() if place.partition not in again}
        except KafkaError as error:
            raise UnavailableError(f"cannot poll {', '.join(self._topics)}: {error!r}") from error
        return [LogRecord.from_kafka(record) for batch in batches.values() for record in batch]

    def assignment(self) -> set[Place]:
        """The partitions that are owned now."""
        return {(place.topic, place.partition) for place in self._started().assignment()}

    def pause(self, places: Iterable[Place]) -> None:
        """Fetch nothing from those of these partitions that are owned, though they stay so."""
        self._started().pause(*(TopicPartition(*place) for place in self.assignment() & set(places)))

    def seek(self, place: Place, offset: int) -> None:
        """Poll this partition from `offset` on."""
        self._started().seek(TopicPartition(*place), offset)

    def position(self, place: Place) -> int:
        """The offset of the next record to be polled from a partition that is owned.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            position = self._started().position(TopicPartition(*place), timeout_ms=_CALL_MS)
        except KafkaError as error:
            raise UnavailableError(f"cannot tell the position in {place}: {error!r}") from error
        if position is None:
            raise UnavailableError(f"cannot tell the position in {place}")
        return int(position)

    def committed(self, place: Place) -> tuple[int, str] | None:
        """Return the group's offset and metadata for a partition, None when there is none.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            found = self._started().committed(TopicPartition(*place), metadata=True, timeout_ms=_CALL_MS)
        except KafkaError as error:
            raise UnavailableError(f"cannot read what group {self._group} committed: {error!r}") from error
        return None if found is None else (found.offset, found.metadata or "")

    def bounds(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        """Return the first offset and the one after the last of each partition.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        wanted = [TopicPartition(*place) for place in places]
        consumer = self._started()
        try:
            first = first_offsets(consumer, wanted, _CALL_MS, _FIRST_TRY_MS)
            last = end_offsets(consumer, wanted, _CALL_MS, _FIRST_TRY_MS)
        except KafkaError as error:
            raise UnavailableError(f"cannot read the bounds of the log: {error!r}") from error
        return {(place.topic, place.partition): (first[place], last[place]) for place in wanted}

    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> bool:
        """Commit offset and metadata for each partition; False when the group is rebalanced, or was.

        What comes next is told by a later `poll`: either the partition is revoked, or it may be committed then.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        wanted = {
            TopicPartition(*place): OffsetAndMetadata(offset, metadata, -1)
            for place, (offset, metadata) in offsets.items()
            if place[0] not in self._replaced
        }
        try:
            self._started().commit(wanted, timeout_ms=_CALL_MS)
        except (CommitFailedError, RebalanceInProgressError):
            log.warning("group %s is rebalanced: commit refused, the next owner goes on from the last one", self._group)
            return False
        except KafkaError as error:
            raise UnavailableError(f"cannot commit for group {self._group}: {error!r}") from error
        return True

    def _begin_anew(self, consumer: KafkaConsumer, replaced: set[str]) -> set[int]:
        """Have the owner take partitions over anew, from the first offset of topics that were deleted and made again.

        Returns their numbers. What was polled of them just now may be of both logs, and is polled again.
        """
        log.warning("made again: %s; group %s begins there anew", ", ".join(sorted(replaced)), self._group)
        numbers = {place.partition for place in consumer.assignment() if place.topic in replaced}
        places = [place for place in consumer.assignment() if place.partition in numbers]
        self._replaced = replaced  # offsets of the old log are not committed for the new one
        try:
            self._listener.on_partitions_revoked(places)
            self._listener.tell()
        finally:
            self._replaced = set()
        for place in places:
            if place.topic in replaced:
                consumer.seek_to_beginning(place)
        self._listener.on_partitions_assigned(places)
        self._listener.tell()
        return numbers

    def _subscribe(self) -> None:
        self._started().subscribe(self._topics, listener=self._listener)
        self._join_again_at = time.monotonic() + self._join_again_after_s

    def _compare_topics(self, consumer: KafkaConsumer) -> None:
        """Learn after a rebalance whether the topics have the same partition numbers."""
        self.problem = uneven_partitions({name: len(consumer.partitions_for_topic(name)) for name in self._topics})
        if self.problem is not None:
            log.error("%s; until then nobody works on the partitions that are too many", self.problem)

    def _join_again_if_forgotten(self, consumer: KafkaConsumer) -> None:
        """After some time without a partition, join the group anew if there are some that nobody owns.

        kafka-python is known to join with an empty view of the topics, and to take nothing for its share.
        A spare member has none for good reason. Its joining would stop all others for a moment, so it looks first, each
        time after twice as long.
        """
        if consumer.assignment():
            self._join_again_after_s = _JOIN_AGAIN_S
            self._join_again_at = math.inf
        elif self._join_again_at == math.inf:
            self._join_again_at = time.monotonic() + self._join_again_after_s
        elif time.monotonic() > self._join_again_at:
            self._join_again_after_s = min(2 * self._join_again_after_s, _JOIN_AGAIN_MOST_S)
            self._join_again_at = time.monotonic() + self._join_again_after_s
            unowned = self._unowned(consumer)
            if unowned:
                log.warning("group %s leaves %d partitions to nobody: joining again", self._group, len(unowned))
                consumer.unsubscribe()
                self._subscribe()

    def _unowned(self, consumer: KafkaConsumer) -> set[Place]:
        """Return the partitions that the group could give out and has given to nobody."""
        numbers = set.intersection(*(set(consumer.partitions_for_topic(topic)) for topic in self._topics))
        return {(topic, number) for topic in self._topics for number in numbers} - owned_partitions(
            self._settings, self._group
        )

    def _started(self) -> KafkaConsumer:
        if self._consumer is None:
            raise UnavailableError("the consumer was not started")
        return self._consumer


class Follower:
    """Follows all partitions of a topic from its end, without a group: every follower sees every record.

    Not to be shared by threads. To be closed also when its start failed.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._consumer: KafkaConsumer | None = None
        self._ids = IdWatch()

    def start(self) -> None:
        """Connect; records that are acknowledged from now on will be polled.

        Raises:
            UnavailableError: no broker answers, or there is no such topic.
        """
        try:
            self._consumer = connect(
                KafkaConsumer,
                consumer_config(self._settings, "follower")
                | {
                    "group_id": None,
                    "auto_offset_reset": "latest",
                    "enable_incremental_fetch_sessions": False,
                    "metadata_max_age_ms": _METADATA_MAX_AGE_MS,
                },
            )
            step_over_damage(self._consumer, DamageReport())
            numbers = self._consumer.partitions_for_topic(self._topic)
            if not numbers:
                raise UnavailableError(f"Kafka has no topic {self._topic}")
            places = [TopicPartition(self._topic, number) for number in sorted(numbers)]
            self._consumer.assign(places)
            for place, end in end_offsets(self._consumer, places, _CALL_MS).items():
                self._consumer.seek(place, end)
        except KafkaError as error:
            raise UnavailableError(f"Kafka does not answer: {error}") from error

    def poll(self, timeout_ms: int) -> list[LogRecord]:
        """Return the records that came since the last call.

        Raises:
            UnavailableError: Kafka does not answer, or the follower was not started.
        """
        if self._consumer is None:
            raise UnavailableError("the follower was not started")
        try:
            batches = self._consumer.poll(timeout_ms=timeout_ms)
            replaced = self._ids.replaced(self._consumer, [self._topic])
        except KafkaError as error:
            raise UnavailableError(f"cannot follow {self._topic}: {error!r}") from error
        if replaced:
            raise UnavailableError(f"{self._topic} was made again: its end is another one now")
        return [LogRecord.from_kafka(record) for batch in batches.values() for record in batch]

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
            self._consumer = None


def _see_rebalance_through(consumer: KafkaConsumer) -> bool:
    """Return whether a rebalance is under way; if so, have the next poll go on with it.

    kafka-python (3.0) joins anew when it finds the topics changed, but notes them as known as soon as it has dealt out
    the partitions. A poll that gives up before that leaves the rest to nobody: the member owns its old partitions for
    ever, without a heartbeat, and may commit nothing. A join that ends between two polls is thrown away, which is why
    polls take longer meanwhile.
    """
    coordinator = consumer._coordinator  # noqa: SLF001  # there is no other way to it
    if not coordinator.rebalance_in_progress():
        return False
    coordinator.request_rejoin()
    return True


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python carries no types
    """Notes kafka-python's callbacks, which come in a thread of its own, and tells of them in the caller's.

    Told at once, a second rebalance fell into the middle of what the first one had started: partitions that came were
    forgotten, and nobody worked on them until the next rebalance.
    """

    def __init__(
        self, on_assigned: Callable[[set[Place]], None] | None, on_revoked: Callable[[set[Place]], None] | None
    ) -> None:
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._noted: deque[tuple[Callable[[set[Place]], None] | None, set[Place]]] = deque()

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        self._noted.append((self._on_revoked, {(place.topic, place.partition) for place in revoked}))

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._noted.append((self._on_assigned, {(place.topic, place.partition) for place in assigned}))

    def tell(self) -> bool:
        """Tell of what was noted since the last call, in its order; return whether there was anything."""
        anything = bool(self._noted)
        while self._noted:
            told, places = self._noted.popleft()
            if told is not None:
                told(places)
        return anything


class _NumberAssignor(RangePartitionAssignor):  # type: ignore[misc]  # kafka-python carries no types
    """Range assignment of the partition numbers that every topic has; a result must find its source's owner."""

    @classmethod
    def assign(cls, cluster: Any, members: Any) -> Any:
        topics = {topic for member in members for topic in member.metadata.topics}
        numbers = [set(known) for topic in topics if (known := cluster.partitions_for_topic(topic))]
        return super().assign(_CommonNumbers(cluster, set.intersection(*numbers) if numbers else set()), members)


class _CommonNumbers:
    """A cluster that shows the assignor only some partition numbers of each topic."""

    def __init__(self, cluster: Any, numbers: set[int]) -> None:
        self._cluster = cluster
        self._numbers = numbers

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Return the numbers of a topic that are to be given out, None if the topic is unknown."""
        known = self._cluster.partitions_for_topic(topic)
        return None if known is None else known & self._numbers
