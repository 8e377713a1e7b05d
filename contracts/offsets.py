"""Places in the log: a source offset, a half-open range of offsets, and the `settles` header."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from contracts.errors import ContractError

SETTLES_HEADER = "settles"
"""Header of every record in `Faces`: `start:stop`, the source offsets that it answers for."""

SOURCE_TOPIC_HEADER = "source_topic"
"""Header beside `settles`: the source topic; a record without value would not tell whether `frames` or `uploads`."""

TASK_HEADER = "task"
"""Header beside `settles`: `start:stop:attempt` of the task that answered; it tells a late answer from a repeat's.

Without `settles`, on a record without value, it says that the task is at work: a sign of life.
"""

LOG_HEADER = "log_id"
"""Header beside `settles`: Kafka's id of the source topic. Offsets of a topic that is made again begin anew."""

SERVICE_HEADER = "service_ms"
"""Header beside `settles`: milliseconds from taking the task to publishing; loss detection measures by it."""

TRACEPARENT_HEADER = "traceparent"
"""Header of a frame whose producer has a trace of its own, and of its result: as W3C's Trace Context has it."""


@dataclass(frozen=True, order=True)
class SourceOffset:
    """One record of the log: topic, partition (from 0) and offset (from 0)."""

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=249)]
    partition: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

    def __post_init__(self) -> None:
        if not self.topic or not 0 <= self.partition < 2**31 or not 0 <= self.offset < 2**63:
            raise ContractError(f"expected topic/partition/offset with numbers from 0, got {self}")

    def __str__(self) -> str:
        """`topic/partition/offset`: MongoDB's `_id`, and the path of the result's URL."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, order=True)
class OffsetRange:
    """The offsets start, start+1, … stop-1 of one partition; never empty."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop < 2**63:
            raise ContractError(f"expected 0 <= start < stop of 64 bits, got {self.start}:{self.stop}")

    def __len__(self) -> int:
        return self.stop - self.start

    def encode(self) -> bytes:
        """Return the value of the `settles` header, `start:stop`."""
        return b"%d:%d" % (self.start, self.stop)

    @classmethod
    def decode(cls, value: bytes) -> "OffsetRange":
        """Read the value of a `settles` header.

        Raises:
            ContractError: it is not `start:stop` with 0 <= start < stop.
        """
        start, colon, stop = value.partition(b":")
        if not (colon and is_natural(start) and is_natural(stop)):
            raise ContractError(f"expected a header settles of the form start:stop, got {value[:40]!r}")
        return cls(int(start), int(stop))


def is_natural(digits: bytes) -> bool:
    """Whether a header's value is a whole number from 0 of at most 19 digits."""
    return digits.isdigit() and len(digits) <= 19
