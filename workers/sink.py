"""The sink role: results from `Faces` into MongoDB. Writes, then commits."""

import logging
import threading

from prometheus_client import Counter

from contracts.errors import ContractError, UnavailableError
from contracts.faces import FacesRecord
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer
from messaging.dead import DeadLetters
from messaging.producer import Producer, wait_for_all
from messaging.records import LogRecord
from settings import Settings
from storage.client import connect
from storage.results import Results
from workers.runner import Backoff

log = logging.getLogger(__name__)

_POLL_MS = 500
_MOST_RESULT_BYTES = 6 * 1024 * 1024
"""A document holds 16 MiB at most; BSON takes about as much room as JSON."""

_STORED = Counter("crowdwatch_sink_stored", "Results written", ["status"])
_REFUSED = Counter("crowdwatch_sink_refused", "Records in Faces that are no result, and went to frames.dead")


class Sink:
    """Owns partitions of `Faces` through a consumer group.

    An offset is committed after a journalled majority write. Ids are deterministic: what is read twice is stored once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = GroupConsumer(settings, f"{settings.group_prefix}-sink", [settings.topic_faces])
        self._producer = Producer(settings)
        self._dead = DeadLetters(self._producer, settings)
        self._client = connect(settings)
        self._results = Results(self._client, settings)
        self._healthy = {"kafka": False, "mongodb": False}

    def start(self) -> None:
        """Make topics and indexes, and join the group.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        self._results.ensure_indexes()
        ensure_topics(self._settings)
        self._producer.start()
        self._consumer.start()
        self._healthy = {"kafka": True, "mongodb": True}

    def ready(self) -> dict[str, bool]:
        """Whether Kafka and MongoDB answered last."""
        return dict(self._healthy)

    def close(self) -> None:
        """Leave the group and disconnect."""
        self._consumer.close()
        self._producer.close()
        self._client.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times. A server that does not answer is waited for."""
        backoff, steps = Backoff(), 0
        while not stop.is_set() and (count is None or steps < count):
            steps += 1
            try:
                records = self._consumer.poll(_POLL_MS, max_records=self._settings.sink_batch)
                self._healthy["kafka"] = True
            except UnavailableError as error:
                self._healthy["kafka"] = False
                log.warning("%s", error)
                stop.wait(backoff.next_s())
                continue
            if records:
                self._store(records, stop)

    def _store(self, records: list[LogRecord], stop: threading.Event) -> None:
        """Write a batch, however long MongoDB is away, and commit it. A batch given up at a stop is read again."""
        results, refused = _decode(records)
        backoff = Backoff()
        while not stop.is_set():
            try:
                self._results.replace_many(results)
                self._healthy["mongodb"] = True
                self._bury(refused)
                self._commit(records)
            except UnavailableError as error:
                self._healthy["mongodb"] = False
                log.warning("%s", error)
                stop.wait(backoff.next_s())
            else:
                for result in results:
                    _STORED.labels(result.status.value).inc()
                return

    def _bury(self, refused: list[tuple[LogRecord, str]]) -> None:
        """Copy what is no result to `frames.dead`, so that it blocks nobody."""
        for record, reason in refused:
            log.warning("%s is no result: %s", record.source, reason)
            wait_for_all([self._dead.bury(record, reason, attempts=1)])
            _REFUSED.inc()

    def _commit(self, records: list[LogRecord]) -> None:
        ends: dict[tuple[str, int], tuple[int, str]] = {}
        for record in records:
            ends[record.source.topic, record.source.partition] = (record.source.offset + 1, "")
        self._consumer.commit(ends)


def _decode(records: list[LogRecord]) -> tuple[list[FacesRecord], list[tuple[LogRecord, str]]]:
    """Split a batch into results and what is none. Records without value only settle offsets: neither."""
    results, refused = [], []
    for record in records:
        if record.value is None:
            continue
        try:
            if len(record.value) > _MOST_RESULT_BYTES:
                raise ContractError(f"{len(record.value)} bytes are more than a document holds")
            results.append(FacesRecord.decode(record.value))
        except ContractError as error:
            refused.append((record, str(error)[:500]))
    return results, refused
