"""Whether a result is of the log that its topic has now: offsets of a topic that is made again begin anew."""

import logging
import time
from dataclasses import replace

from contracts.errors import UnavailableError
from contracts.faces import FacesRecord
from messaging.log_ids import CurrentLogs
from storage.source_logs import SourceLogs, belongs

log = logging.getLogger(__name__)

_KEPT_FOR_LIVE_S = 1.0
_NOT_ASKED_AGAIN_S = 2.0


class LogCheck:
    """Asks Kafka for the ids of the source topics. Shared by threads: those that ask at the same time share a question.

    While Kafka does not answer, what it said last counts, and what MongoDB remembers.
    """

    def __init__(self, current: CurrentLogs, stored: SourceLogs) -> None:
        self._current = current
        self._stored = stored
        self._failed_s = float("-inf")

    def now(self, topic: str, since_s: float | None = None) -> str | None:
        """Return the id that a source topic has, None if it has none or nobody can say.

        Args:
            topic: of any other than a source topic, nothing is known.
            since_s: Kafka must have said so after this time by `time.monotonic`; from now on if it is left out.
        """
        if topic not in self._current.topics:
            return None
        now_s = time.monotonic()
        if now_s - self._failed_s >= _NOT_ASKED_AGAIN_S:
            try:
                return self._current.ask(since_s).get(topic)
            except UnavailableError as error:
                self._failed_s = time.monotonic()
                log.warning("%s", error)
        try:
            remembered = self._stored.get([topic]).get(topic)
        except UnavailableError:
            remembered = None
        return self._current.last().get(topic) or (None if remembered is None else remembered.log_id)

    def is_of(self, record: FacesRecord, log_id: str | None) -> bool:
        """Whether a stored result is of the log with this id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        topic = record.source.topic
        known = self._stored.get([topic]).get(topic) if record.log_id is None and log_id is not None else None
        return belongs(record, log_id, known)

    def complete(self, record: FacesRecord) -> FacesRecord:
        """Return a result that comes from the log now, with the id of its source's log."""
        if record.log_id is not None:
            return record
        return replace(record, log_id=self.now(record.source.topic, time.monotonic() - _KEPT_FOR_LIVE_S))

    def close(self) -> None:
        """Disconnect."""
        self._current.close()
