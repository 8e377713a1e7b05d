"""Tasks for pictures that were just sent in: enqueued beside the requests, many at a time under load."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator

from contracts.errors import UnavailableError
from contracts.offsets import SourceOffset
from contracts.tasks import QUEUE_INTERACTIVE, DetectRange
from messaging.tasks import TaskQueue
from web.metrics import WebMetrics

log = logging.getLogger(__name__)

_WITHOUT_TASKS_S = 2.0
_WAITING_AT_MOST = 10_000
_GATHER_S = 0.01
_JOIN_S = 10.0


class Enqueuer:
    """Enqueues a task for each picture, in a thread of its own.

    A picture alone gets its task at once. Those that come in the hundredth of a second after it share one, as far as
    they lie side by side in the log and `batch` allows: a task costs as much as all the rest of a request. What cannot
    be enqueued, or is gone with the process, is not lost: the bridge adopts it.
    """

    def __init__(self, tasks: TaskQueue, batch: int, metrics: WebMetrics) -> None:
        self._tasks = tasks
        self._batch = batch
        self._metrics = metrics
        self._waiting: list[SourceOffset] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._again_s = 0.0
        self._thread = threading.Thread(target=self._run, name="web-enqueuing", daemon=True)

    def start(self) -> None:
        """Begin to enqueue."""
        self._thread.start()

    def close(self) -> None:
        """Enqueue what waits, and stop."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def put(self, source: SourceOffset) -> None:
        """Have a picture's task enqueued soon."""
        with self._changed:
            if len(self._waiting) < _WAITING_AT_MOST:
                self._waiting.append(source)
                self._changed.notify()
                return
        self._metrics.tasks_left_to_bridge.inc()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            for task in tasks_of(waiting, self._batch):
                self._enqueue(task)
            time.sleep(_GATHER_S)

    def _enqueue(self, task: DetectRange) -> None:
        """Enqueue a task; for a moment after a failure do not try, so that a mute Redis holds up few."""
        if time.monotonic() >= self._again_s:
            try:
                self._tasks.enqueue(task, QUEUE_INTERACTIVE)
            except UnavailableError as error:
                self._again_s = time.monotonic() + _WITHOUT_TASKS_S
                log.warning("pictures are left to the bridge: %s", error)
            else:
                return
        self._metrics.tasks_left_to_bridge.inc(task.stop - task.start)


def tasks_of(sources: Iterable[SourceOffset], batch: int) -> Iterator[DetectRange]:
    """Yield tasks for pictures: those side by side in one partition share one, up to `batch` of them."""
    task: DetectRange | None = None
    for source in sorted(set(sources), key=lambda one: (one.topic, one.partition, one.offset)):
        place = (source.topic, source.partition)
        if task is not None:
            is_next = (task.topic, task.partition, task.stop) == (*place, source.offset)
            if is_next and task.stop - task.start < batch:
                task = DetectRange(*place, task.start, source.offset + 1)
                continue
            yield task
        task = DetectRange(*place, source.offset, source.offset + 1)
    if task is not None:
        yield task
