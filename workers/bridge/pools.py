"""What the bridge knows of the workers behind each queue. Pure."""

from dataclasses import dataclass, field

from contracts.tasks import QUEUE_DETECT_GPU, DetectRange
from workers.bridge.loss import LossDetector
from workers.bridge.pace import Pace

_GPU_TASKS = 4
"""Tasks in flight on the GPU's queue: about three seconds of work. What is more goes to the CPU's."""


@dataclass
class Pool:
    """The workers of one queue: their tasks in flight, their pace, and whether they have said of late that they are.

    `waiting` is how many tasks wait that no worker has taken, None while Redis does not tell.
    """

    queue: str
    pace: Pace
    losses: LossDetector = field(default_factory=LossDetector)
    present: bool = False
    waiting: int | None = 0

    @property
    def busy(self) -> bool:
        """Whether a new task would wait."""
        return bool(self.waiting)

    @property
    def work_s(self) -> float:
        """How long one worker would take for what waits, if those tasks are like all that are in flight."""
        if not self.waiting or not len(self.losses):
            return 0.0
        return self.waiting * self.pace.frame_s * self.losses.frames / len(self.losses)


class Pools:
    """The queues that tasks of each source topic go to.

    Args:
        queues: by source topic, for what is new; the preferred one first, the CPU's last.
        again: by source topic, for what was lost, where that has a queue of its own.
        most: frames in one task at most.
    """

    def __init__(self, queues: dict[str, tuple[str, ...]], again: dict[str, str], most: int) -> None:
        self._new = {topic: tuple(Pool(queue, Pace(most)) for queue in names) for topic, names in queues.items()}
        self._again = {topic: Pool(queue, Pace(most)) for topic, queue in again.items()}

    @property
    def all(self) -> list[Pool]:
        """Every queue's pool."""
        return [pool for topic in self._new for pool in self.of(topic)]

    def forgive(self, now: float) -> None:
        """Start every clock anew: something was away, so silence proves nothing."""
        for pool in self.all:
            pool.losses.forgive(now)

    def of(self, topic: str) -> tuple[Pool, ...]:
        """The pools that work on a topic; none for one that is no source."""
        again = self._again.get(topic)
        return self._new.get(topic, ()) + (() if again is None else (again,))

    def served(self, topic: str) -> list[Pool]:
        """The pools that new tasks of a topic go to now: the GPU's only while it is there."""
        return [pool for pool in self._new[topic] if pool.present or pool.queue != QUEUE_DETECT_GPU]

    def choose(self, topic: str) -> Pool:
        """Return the pool for the next new task: the GPU's while it is there and wants for work, else the CPU's."""
        first = self._new[topic][0]
        if first.queue != QUEUE_DETECT_GPU or (first.present and len(first.losses) < _GPU_TASKS):
            return first
        return self.usual(topic)

    def usual(self, topic: str) -> Pool:
        """Return the pool of new tasks that is always there: the CPU's."""
        return self._new[topic][-1]

    def again(self, topic: str) -> Pool | None:
        """Return the pool of a topic's lost tasks, None where they go where the new ones do."""
        return self._again.get(topic)

    def holding(self, task: DetectRange) -> Pool | None:
        """Return the pool that has the task in flight."""
        return next((pool for pool in self.of(task.topic) if task in pool.losses), None)
