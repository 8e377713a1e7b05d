"""What the bridge knows of the workers behind each queue. Pure."""

from dataclasses import dataclass, field

from contracts.tasks import QUEUE_DETECT_GPU, DetectRange
from workers.bridge.loss import LossDetector
from workers.bridge.pace import Pace

_GPU_TASKS = 8
"""Tasks in flight on the GPU's queue: about three seconds of work. What is more goes to the CPU's."""


@dataclass
class Pool:
    """The workers of one queue: their tasks in flight, their pace, and whether they have said of late that they are."""

    queue: str
    pace: Pace
    losses: LossDetector = field(default_factory=LossDetector)
    present: bool = False


class Pools:
    """The queues that tasks of each source topic may go to, the preferred one first.

    Args:
        queues: by source topic.
        most: frames in one task at most.
    """

    def __init__(self, queues: dict[str, tuple[str, ...]], most: int) -> None:
        self._of = {topic: tuple(Pool(queue, Pace(most)) for queue in names) for topic, names in queues.items()}

    @property
    def all(self) -> list[Pool]:
        """Every queue's pool."""
        return [pool for pools in self._of.values() for pool in pools]

    def of(self, topic: str) -> tuple[Pool, ...]:
        """The pools that work on a topic; none for one that is no source."""
        return self._of.get(topic, ())

    def choose(self, topic: str) -> Pool:
        """Return the pool for the next task: the GPU's while it is there and wants for work, else the CPU's."""
        first, *others = self._of[topic]
        if first.queue != QUEUE_DETECT_GPU or (first.present and len(first.losses) < _GPU_TASKS):
            return first
        return others[0]

    def holding(self, task: DetectRange) -> Pool | None:
        """Return the pool that has the task in flight."""
        return next((pool for pool in self.of(task.topic) if task in pool.losses), None)
