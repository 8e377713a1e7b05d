"""The sink role: results from `Faces` into MongoDB. Writes, then commits."""

import logging
import threading
import time
from datetime import datetime, timezone

from contracts.errors import ContractError, UnavailableError
from contracts.faces import MOST_RESULT_BYTES, FacesRecord
from contracts.offsets import TRACEPARENT_HEADER
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer, Place
from messaging.dead import DeadLetters
from messaging.log_ids import CurrentLogs
from messaging.producer import Producer
from messaging.records import LogRecord
from messaging.refusals import Refusals, refusal_counter
from settings import Settings
from storage.client import connect
from storage.results import Results
from storage.source_logs import SourceLogs
from workers.runner import Backoff, run_steps
from workers.sink_logs import SinkLogs, store
from workers.sink_metrics import SinkMetrics
from workers.sink_upkeep import SinkUpkeep
from workers.tracing import make_tracer

log = logging.getLogger(__name__)

_POLL_MS = 500
_GATHER_S = 0.01
"""Writes are at least so far apart, and meanwhile results gather: a write costs as much for one as for fifty."""

_COMMIT_EVERY_S = 1.0
_LEADING_PARTITION = 0
"""Who owns this partition changes what is stored already."""

_REFUSED = refusal_counter("sink", "Records in Faces that cannot be stored, and went to frames.dead")


class Sink:
    """Owns partitions of `Faces` through a consumer group.

    An offset is committed after a journalled majority write. Ids are deterministic: what is read twice is stored once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = GroupConsumer(
            settings, f"{settings.group_prefix}-sink", [settings.topic_faces], on_revoked=self._on_revoked
        )
        self._written: dict[Place, tuple[int, str]] = {}
        self._next_commit = self._next_write = float("-inf")
        self._producer = Producer(settings)
        self._refusals = Refusals(_REFUSED, "result", DeadLetters(self._producer, settings))
        self._client = connect(settings)
        self._results = Results(self._client, settings)
        self._current = CurrentLogs(settings, (settings.topic_frames, settings.topic_uploads))
        self._logs = SinkLogs(self._current, SourceLogs(self._client, settings))
        self._upkeep = SinkUpkeep(settings, self._client, self._results, self._logs)
        self._metrics = SinkMetrics()
        self._tracer = make_tracer(settings, "sink")
        self._healthy = {"kafka": False, "mongodb": False}

    def start(self) -> None:
        """Make topics and indexes, and join the group.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        self._results.ensure_indexes()
        ensure_topics(self._settings)
        self._upkeep.start()
        self._producer.start()
        self._consumer.start()
        self._healthy = {"kafka": True, "mongodb": True}

    def ready(self) -> dict[str, bool]:
        """Whether Kafka and MongoDB answered last."""
        return dict(self._healthy)

    def close(self) -> None:
        """Commit what is written, leave the group and disconnect."""
        self._upkeep.close()
        self._on_revoked(set(self._written))
        self._consumer.close()
        self._current.close()
        self._producer.close()
        self._client.close()
        if self._tracer is not None:
            self._tracer.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times. A server that does not answer is waited for."""
        run_steps(lambda: self._step(stop), stop, count, healthy=self._healthy, server="kafka")

    def _step(self, stop: threading.Event) -> None:
        self._commit_if_due()
        most = self._settings.sink_batch
        records = self._consumer.poll(_POLL_MS, max_records=most)
        self._upkeep.leading = (self._settings.topic_faces, _LEADING_PARTITION) in self._consumer.assignment()
        if not records:
            return
        try:
            early_s = self._next_write - time.monotonic()
            if len(records) < most and early_s > 0:
                time.sleep(early_s)
                records += self._consumer.poll(0, max_records=most - len(records))
        finally:  # what was polled once is not polled again
            self._store(records, stop)
            self._next_write = time.monotonic() + _GATHER_S

    def _store(self, records: list[LogRecord], stop: threading.Event) -> None:
        """Write a batch, however long MongoDB is away. A batch given up at a stop is read again."""
        pairs, refused = _decode(records)
        backoff = Backoff()
        while not stop.is_set():
            started = time.monotonic()
            try:
                broken = self._replace(pairs)
                write_s = time.monotonic() - started
                self._healthy["mongodb"] = True
            except UnavailableError as error:
                self._healthy["mongodb"] = False
                log.warning("%s", error)
                stop.wait(backoff.next_s())
            else:
                self._refusals.refuse(*refused, *broken)
                for record in records:
                    self._written[record.source.topic, record.source.partition] = (record.source.offset + 1, "")
                lost = {record.source for record, _ in broken}
                self._note_stored([pair for pair in pairs if pair[0].source not in lost], write_s)
                return

    def _replace(self, pairs: list[tuple[LogRecord, FacesRecord]]) -> list[tuple[LogRecord, Exception]]:
        """Write results, and return those that MongoDB never takes; where it breaks, halve them until one is left."""
        record_of = {id(result): record for record, result in pairs}
        try:
            refused = store(self._results, self._logs, [result for _, result in pairs], self._upkeep.expiry)
        except UnavailableError:
            raise
        except Exception as error:  # whatever a driver throws: the result's neighbours have done nothing
            if len(pairs) == 1:
                return [(pairs[0][0], error)]
            half = len(pairs) // 2
            return self._replace(pairs[:half]) + self._replace(pairs[half:])
        return [(record_of[id(result)], why) for result, why in refused]

    def _note_stored(self, pairs: list[tuple[LogRecord, FacesRecord]], write_s: float) -> None:
        """Count what was stored, and trace it."""
        now = datetime.now(timezone.utc)
        results = [result for _, result in pairs]
        self._metrics.stored(results, write_s, now)
        if self._tracer is not None:
            headers = [record.header(TRACEPARENT_HEADER) for record, _ in pairs]
            self._tracer.stored(list(zip(results, headers, strict=True)), now, write_s)

    def _commit_if_due(self) -> None:
        """Commit what is written, now and then: what is read again after a kill is only written again."""
        now = time.monotonic()
        if self._written and now >= self._next_commit:
            self._next_commit = now + _COMMIT_EVERY_S
            if self._consumer.commit(self._written):
                self._written = {}

    def _on_revoked(self, places: set[Place]) -> None:
        """Commit what is written of partitions that another sink is about to own."""
        ends = {place: self._written.pop(place) for place in places & set(self._written)}
        try:
            if ends:
                self._consumer.commit(ends)
        except UnavailableError as error:
            log.warning("the last results will be written again: %s", error)


def _decode(
    records: list[LogRecord],
) -> tuple[list[tuple[LogRecord, FacesRecord]], list[tuple[LogRecord, Exception]]]:
    """Split a batch into results, each with its record, and what is none. What has no value only settles offsets."""
    results: list[tuple[LogRecord, FacesRecord]] = []
    refused: list[tuple[LogRecord, Exception]] = []
    for record in records:
        if record.value is None:
            continue
        try:
            if len(record.value) > MOST_RESULT_BYTES:
                raise ContractError(f"{len(record.value)} bytes are more than a document holds")
            results.append((record, FacesRecord.decode(record.value, record.at)))
        except Exception as error:  # whatever a decoder raises is the record's fault, never the role's
            refused.append((record, error))
    return results, refused
