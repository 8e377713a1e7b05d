"""What goes through Celery: names of queues and tasks, and the arguments of the one detection task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from contracts.decoding import Natural, decoded
from contracts.errors import ContractError
from contracts.offsets import OffsetRange, is_natural

QUEUE_DETECT = "detect"
QUEUE_DETECT_GPU = "detect.gpu"
QUEUE_AGAIN = "detect.again"
"""Tasks of frames that were lost: they are the oldest, and what came later waits behind them in its partition."""

QUEUE_INTERACTIVE = "interactive"
QUEUE_INGEST = "ingest"
QUEUES = (QUEUE_INTERACTIVE, QUEUE_AGAIN, QUEUE_DETECT, QUEUE_DETECT_GPU, QUEUE_INGEST)

TASK_DETECT_RANGE = "crowdwatch.detect_range"

ISOLATED_FROM_ATTEMPT = 3
"""From this attempt on a frame is run in a child process of its own, and its death is a `failed` result."""


LAST_ATTEMPT = 10
"""At this attempt a frame that no worker could try, for lack of a process to try it in, is `failed` too."""


@dataclass(frozen=True)
class DetectRange:
    """Detect the faces in the records [start, stop) of one partition. `attempt` counts from 1."""

    topic: str
    partition: Natural
    start: Natural
    stop: Natural
    attempt: Natural = 1

    def __post_init__(self) -> None:
        OffsetRange(self.start, self.stop)
        if not self.topic or self.partition < 0 or self.attempt < 1:
            raise ContractError(f"expected a topic, a partition from 0 and an attempt from 1, got {self}")

    def __str__(self) -> str:
        """For people: `frames/0 [12, 40) attempt 1`."""
        return f"{self.topic}/{self.partition} [{self.start}, {self.stop}) attempt {self.attempt}"

    @property
    def offsets(self) -> OffsetRange:
        """The offsets to be answered."""
        return OffsetRange(self.start, self.stop)

    @property
    def isolated(self) -> bool:
        """Whether each frame is to be run in a child process of its own."""
        return self.attempt >= ISOLATED_FROM_ATTEMPT

    def encode(self) -> bytes:
        """Return the value of the `task` header, `start:stop:attempt`."""
        return b"%d:%d:%d" % (self.start, self.stop, self.attempt)

    @classmethod
    def decode(cls, topic: str, partition: int, value: bytes) -> "DetectRange":
        """Read the value of a `task` header.

        Raises:
            ContractError: it is not `start:stop:attempt`.
        """
        parts = value.split(b":")
        if len(parts) != 3 or not all(map(is_natural, parts)):
            raise ContractError(f"expected a header task of the form start:stop:attempt, got {value[:40]!r}")
        start, stop, attempt = (int(part) for part in parts)
        return cls(topic, partition, start, stop, attempt)

    @classmethod
    def from_kwargs(cls, fields: Mapping[str, Any]) -> "DetectRange":
        """Read the task's keyword arguments.

        Raises:
            ContractError: one is missing or wrong; the message names it.
        """
        return decoded(lambda given: msgspec.convert(given, cls), fields, "task")

    def to_kwargs(self) -> dict[str, Any]:
        """Return the task's keyword arguments, as they travel in JSON."""
        return asdict(self)
