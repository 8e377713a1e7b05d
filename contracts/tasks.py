"""What goes through Celery: names of queues and tasks, and the arguments of the one detection task."""

from dataclasses import asdict, dataclass
from typing import Any

from contracts.errors import ContractError
from contracts.offsets import OffsetRange

QUEUE_DETECT = "detect"
QUEUE_DETECT_GPU = "detect.gpu"
QUEUE_INTERACTIVE = "interactive"
QUEUE_INGEST = "ingest"
QUEUES = (QUEUE_INTERACTIVE, QUEUE_DETECT, QUEUE_DETECT_GPU, QUEUE_INGEST)

TASK_DETECT_RANGE = "crowdwatch.detect_range"

ISOLATED_FROM_ATTEMPT = 3
"""From this attempt on a frame is run in a child process of its own, and its death is a `failed` result."""


@dataclass(frozen=True)
class DetectRange:
    """Detect the faces in the records [start, stop) of one partition. `attempt` counts from 1."""

    topic: str
    partition: int
    start: int
    stop: int
    attempt: int = 1

    def __post_init__(self) -> None:
        OffsetRange(self.start, self.stop)
        if not self.topic or self.partition < 0 or self.attempt < 1:
            raise ContractError(f"expected a topic, a partition from 0 and an attempt from 1, got {self}")

    @property
    def offsets(self) -> OffsetRange:
        """The offsets to be answered."""
        return OffsetRange(self.start, self.stop)

    @property
    def isolated(self) -> bool:
        """Whether each frame is to be run in a child process of its own."""
        return self.attempt >= ISOLATED_FROM_ATTEMPT

    def to_kwargs(self) -> dict[str, Any]:
        """Return the task's keyword arguments, as they travel in JSON."""
        return asdict(self)
