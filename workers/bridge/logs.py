"""Which log each source topic has, for the bridge: offsets of a topic that is made again begin anew."""

from collections.abc import Mapping

from contracts.offsets import LOG_HEADER, is_natural
from messaging.records import LogRecord


class SourceLogIds:
    """The ids of the source topics since the last take-over."""

    def __init__(self) -> None:
        self._ids: Mapping[str, str] = {}

    def set(self, ids: Mapping[str, str]) -> None:
        """Take the ids that Kafka gives now."""
        self._ids = ids

    def is_of_another(self, record: LogRecord, topic: str) -> bool:
        """Whether a record in `Faces` answers for offsets of another log. One that names no log is believed."""
        named, own = record.header(LOG_HEADER), self._ids.get(topic)
        return named is not None and own is not None and named != own.encode()

    def metadata(self, topic: str, faces_offset: int) -> str:
        """Return a commit's metadata: where to read `Faces` from, and the log that the watermark is one in."""
        return f"{faces_offset} {self._ids[topic]}" if topic in self._ids else str(faces_offset)

    def committed(self, topic: str, found: tuple[int, str] | None) -> tuple[int | None, int | None]:
        """Return a committed watermark and the offset in `Faces` to read from; None where there is none in this log."""
        if found is None:
            return None, None
        offset, _, log_id = found[1].partition(" ")
        if log_id and log_id != self._ids.get(topic, log_id):
            return None, None
        return found[0], int(offset) if is_natural(offset.encode()) else None
