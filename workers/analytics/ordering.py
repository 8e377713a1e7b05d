"""The order of results: those of our own source topics leave in the order of their frames in the log.

Workers have several ranges of one camera at a time, and repeat some, so that results come into `Faces` in any order.
Each says which source offsets it settles. A result is held until everything below it is settled.

Pure: no I/O, and the clock is passed in.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contracts.faces import FacesRecord
from contracts.offsets import OffsetRange
from workers.intervals import IntervalSet

_HOLES_REMEMBERED = 256
_QUIET_S = 5.0


class WorkingTime:
    """Seconds in which results came: the time in which no worker is at work does not count."""

    def __init__(self) -> None:
        self._total_s = 0.0
        self._last_s: float | None = None

    def hear(self, now_s: float) -> float:
        """Note that results came; return the time."""
        self._total_s, self._last_s = self.at(now_s), now_s
        return self._total_s

    def at(self, now_s: float) -> float:
        """Return the time; it stands still from a few seconds after the last result on."""
        if self._last_s is None:
            return self._total_s
        return self._total_s + min(max(now_s - self._last_s, 0.0), _QUIET_S)


class Arrival(NamedTuple):
    """When a record was read: in seconds since 1970, and in seconds of `WorkingTime`."""

    at_s: float
    working_s: float


class Ready(NamedTuple):
    """A result whose turn has come.

    Attributes:
        result: the result.
        mark: its offset in `Faces`.
        arrived: when it was read.
        late: whether its turn was passed.
    """

    result: FacesRecord
    mark: int
    arrived: Arrival
    late: bool = False


class SourceOrder:
    """Puts the results of one source partition in order.

    Args:
        watermark: the first offset whose result is still to leave; None to begin with the first that is settled.
    """

    def __init__(self, watermark: int | None) -> None:
        self.watermark = watermark
        self.log_id: str | None = None
        self.passed = 0
        self._settled = IntervalSet()
        self._held: dict[int, Ready] = {}  # by source offset, in the order of their arrival
        self._offsets: list[int] = []  # of what is held; a heap
        self._holes: deque[OffsetRange] = deque(maxlen=_HOLES_REMEMBERED)

    def __len__(self) -> int:
        """How many results are held."""
        return len(self._held)

    def take(self, offsets: OffsetRange, mark: int, result: FacesRecord | None, arrived: Arrival) -> list[Ready]:
        """Learn that `offsets` are settled, by `result` or by nothing; return the results whose turn has come.

        A result below the watermark leaves at once: it is a repeat, or its turn was passed.
        """
        if self.watermark is None:
            self.watermark = offsets.start
        if offsets.stop <= self.watermark:
            return [] if result is None else [Ready(result, mark, arrived, self._was_passed(offsets.start))]
        if result is not None and offsets.start not in self._held:
            self._held[offsets.start] = Ready(result, mark, arrived)
            heapq.heappush(self._offsets, offsets.start)
        self._settled.add(max(offsets.start, self.watermark), offsets.stop, mark)
        return self._leave()

    def pass_hole(self) -> list[Ready]:
        """Wait no longer for the first hole; return the results that it held up."""
        if not self._offsets or self.watermark is None:
            return []
        holes = self._settled.missing(self.watermark, self._offsets[0])
        self._holes += holes
        self.passed += sum(map(len, holes))
        self.watermark = self._offsets[0]
        return self._leave()

    def end(self) -> list[Ready]:
        """Return everything that is held: the log is gone."""
        ready = []
        while self._offsets:
            ready += self.pass_hole()
        return ready

    def oldest(self) -> Arrival | None:
        """When the oldest result that is held arrived, None when nothing is held."""
        return next(iter(self._held.values())).arrived if self._held else None

    def smallest_mark(self) -> int | None:
        """The place in `Faces` from which everything settled above the watermark can be read again."""
        return self._settled.smallest_mark()

    def _leave(self) -> list[Ready]:
        assert self.watermark is not None
        while (until := self._settled.pop_first_if_at(self.watermark)) is not None:
            self.watermark = max(self.watermark, until)
        ready = []
        while self._offsets and self._offsets[0] < self.watermark:
            ready.append(self._held.pop(heapq.heappop(self._offsets)))
        return ready

    def _was_passed(self, offset: int) -> bool:
        return any(hole.start <= offset < hole.stop for hole in self._holes)


class PartitionOrder:
    """Puts the results of one partition of `Faces` in order, each source topic by itself.

    Args:
        watermarks: of each of our own source topics; see `SourceOrder`.
    """

    def __init__(self, watermarks: Mapping[str, int | None]) -> None:
        self._sources = {topic: SourceOrder(watermark) for topic, watermark in watermarks.items()}
        self._passed = 0

    def __len__(self) -> int:
        """How many results are held."""
        return sum(map(len, self._sources.values()))

    def count_passed(self) -> int:
        """Return how many offsets were passed since the last call."""
        passed, self._passed = self._passed, 0
        for source in self._sources.values():
            passed, source.passed = passed + source.passed, 0
        return passed

    def take(
        self, topic: str, offsets: OffsetRange, mark: int, result: FacesRecord | None, arrived: Arrival
    ) -> list[Ready]:
        """Take what a record in `Faces` settles of one of our own topics; return the results whose turn has come.

        Args:
            topic: the source topic.
            offsets: the source offsets that the record answers for; one if there is a result.
            mark: the record's own offset.
            result: its result, if it has one, of the log that the topic has now.
            arrived: when it was read.
        """
        source = self._sources[topic]
        before: list[Ready] = []
        log_id = None if result is None else result.log_id
        if log_id is not None and source.log_id not in (None, log_id):  # the topic was made anew
            before = source.end()
            self._passed += source.passed
            source = self._sources[topic] = SourceOrder(0)
        source.log_id = log_id or source.log_id
        return before + source.take(offsets, mark, result, arrived)

    def pass_holes(self, until_s: float, most: int) -> list[Ready]:
        """Wait no longer where more than `most` results are held, or one that arrived by `until_s` of `WorkingTime`."""
        ready: list[Ready] = []
        for source in self._sources.values():
            while (oldest := source.oldest()) is not None and (oldest.working_s <= until_s or len(source) > most):
                ready += source.pass_hole()
        return ready

    def held_since_s(self) -> float | None:
        """When the oldest result that is held arrived, None when nothing is held."""
        oldest = [source.oldest() for source in self._sources.values()]
        return min((arrived.at_s for arrived in oldest if arrived is not None), default=None)

    def resume_from(self, position: int) -> int:
        """Return the offset in `Faces` from which a next process learns everything above the watermarks.

        Args:
            position: the offset that is read next.
        """
        marks = [source.smallest_mark() for source in self._sources.values()]
        return min((mark for mark in marks if mark is not None), default=position)

    def encode(self) -> str:
        """Return the watermarks as metadata of a commit: `topic=watermark` or `topic=watermark@log`, by commas."""
        return ",".join(
            f"{topic}={source.watermark}" + ("" if source.log_id is None else f"@{source.log_id}")
            for topic, source in self._sources.items()
            if source.watermark is not None
        )

    @classmethod
    def resume(cls, metadata: str, topics: Iterable[str], ends: Mapping[str, int]) -> "PartitionOrder":
        """Go on from the metadata of a commit; a topic that it does not name begins with what is settled first.

        Args:
            metadata: what `encode` returned.
            topics: our own source topics.
            ends: where their logs end, as far as known. One that ends before its watermark is a new log.
        """
        known = {}
        for entry in metadata.split(","):
            topic, _, place = entry.partition("=")
            known[topic] = place.partition("@")[::2]
        order = cls(dict.fromkeys(topics))
        for topic, source in order._sources.items():
            watermark, log_id = known.get(topic, ("", ""))
            if watermark.isascii() and watermark.isdigit():
                is_new = topic in ends and int(watermark) > ends[topic]
                source.watermark, source.log_id = (0, None) if is_new else (int(watermark), log_id or None)
        return order
