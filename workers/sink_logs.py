"""Which log each source topic has now, for those who store results."""

import logging
from collections.abc import Iterable, Sequence

from contracts.errors import NotStorableError, UnavailableError
from contracts.faces import FacesRecord
from messaging.log_ids import CurrentLogs
from storage.result_writes import Expiry
from storage.results import Results
from storage.source_logs import Logs, SourceLogs

log = logging.getLogger(__name__)

_MOST_ROUNDS = 5


class SinkLogs:
    """Compares the ids that Kafka gives the source topics with those that MongoDB remembers. Shared by threads."""

    def __init__(self, current: CurrentLogs, stored: SourceLogs) -> None:
        self._current = current
        self._stored = stored
        self.known: Logs = {}

    def refresh(self) -> Logs:
        """Ask Kafka, and note an id that is new.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        ids = self._current.ask()
        known = self._stored.get(self._current.topics)
        new = {topic: log_id for topic, log_id in ids.items() if topic not in known or known[topic].log_id != log_id}
        for topic, log_id in new.items():
            if topic in known:
                log.warning("%s is another log than before: what is stored of the old one is set aside", topic)
            self._stored.begin(topic, log_id)
        self.known = self._stored.get(self._current.topics) if new else known
        return self.known

    def of(self, results: Iterable[FacesRecord]) -> Logs:
        """Return the logs that the topics have, looked up anew if a result is of a log that is not known.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        for result in results:
            topic, log_id = result.source.topic, result.log_id
            if topic in self._current.topics and log_id is not None:
                if topic not in self.known or self.known[topic].log_id != log_id:
                    return self.refresh()
        return self.known

    def settle(self, topic: str, log_id: str) -> None:
        """Note that all results of earlier logs of a topic are set aside.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        self._stored.settle(topic, log_id)
        self.known = self._stored.get(self._current.topics)


def store(
    results: Results, logs: SinkLogs, records: Sequence[FacesRecord], expiry: Expiry
) -> list[tuple[FacesRecord, NotStorableError]]:
    """Store records, each under its own log; return those that MongoDB never takes, each with the reason.

    Where the result of an earlier log is in the way, that one is set aside first.

    Raises:
        UnavailableError: Kafka or MongoDB does not answer; to store them again is safe.
    """
    written = results.replace_many(records, logs.of(records), expiry)
    refused = written.refused
    for _ in range(_MOST_ROUNDS):
        blocked = written.blocked
        if not blocked:
            return refused
        known = logs.refresh()
        for topic in {record.source.topic for record in blocked} & known.keys():
            keys = {str(record.source) for record in blocked if record.source.topic == topic}
            results.set_aside(topic, known[topic].log_id, known[topic].first, len(keys), keys)
        written = results.replace_many(blocked, known, expiry)
        refused += written.refused
    raise UnavailableError(f"{len(written.blocked)} results have no place yet: {written.blocked[0].source}")
