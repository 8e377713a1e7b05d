"""What the bridge asks of Redis: tasks put into it, how many wait there, and whether it was emptied."""

import logging
from collections.abc import Callable

from contracts.errors import UnavailableError
from contracts.tasks import QUEUE_DETECT, QUEUE_DETECT_GPU, DetectRange
from messaging.tasks import TaskQueue
from settings import Settings
from workers.bridge.pools import Pool, Pools

log = logging.getLogger(__name__)

_AGAIN_S = 0.3
_GPU_ANNOUNCES_WITHIN_S = 6.0


class Queues:
    """The queues behind the pools. While Redis does not answer it is left alone for a while, and told of once."""

    def __init__(self, settings: Settings, pools: Pools, clock: Callable[[], float]) -> None:
        self._tasks = TaskQueue(settings)
        self._pools = pools
        self._clock = clock
        self._down_until = self._gpu_unknown_until = float("-inf")
        self.healthy = False

    def close(self) -> None:
        """Disconnect."""
        self._tasks.close()

    def are_down(self, now: float) -> bool:
        """Whether Redis is left alone."""
        return now < self._down_until

    def begin_watch(self) -> None:
        """Begin to watch whether Redis is emptied."""
        self._tasks.begin_watch()

    def probe(self) -> None:
        """Ask Redis for a sign of life."""
        try:
            self._tasks.length(QUEUE_DETECT)
        except UnavailableError:
            self.healthy = False
        else:
            self.healthy = True

    def waiting(self, queue: str) -> list[DetectRange]:
        """Return the tasks that wait in `queue`, the next one first.

        Raises:
            UnavailableError: Redis does not answer.
        """
        return self._tasks.waiting(queue)

    def count(self, now: float, everywhere: bool) -> list[tuple[str, DetectRange]]:
        """Learn how many tasks wait in each queue, or only in those that this bridge has tasks in flight of.

        Returns:
            tasks that nobody works on any more, each with the queue that was theirs: its workers are gone.
        """
        if self.are_down(now):
            return []
        gone: list[tuple[str, DetectRange]] = []
        try:
            if everywhere or not self.healthy:
                self._look_whether_emptied(now)
            for pool in self._pools.all:
                pool.waiting = self._tasks.length(pool.queue) if everywhere or len(pool.losses) else 0
                if everywhere and pool.queue == QUEUE_DETECT_GPU and now >= self._gpu_unknown_until:
                    gone += [(pool.queue, task) for task in self._look_for_gpu(pool)]
        except UnavailableError as error:
            self._miss(error, now)
        else:
            self.healthy = True
        return gone

    def enqueue(self, task: DetectRange, pool: Pool, now: float) -> bool:
        """Put a task at the end of a pool's queue; False when Redis does not take it."""
        try:
            self._tasks.enqueue(task, pool.queue)
        except UnavailableError as error:
            self._miss(error, now)
            return False
        pool.losses.enqueued(task, now)
        return True

    def _miss(self, error: UnavailableError, now: float) -> None:
        """Let nothing be judged until Redis answers, and leave it alone for a while."""
        if self.healthy:
            log.warning("%s", error)
        self.healthy = False
        self._down_until = now + _AGAIN_S
        for pool in self._pools.all:
            pool.waiting = None
        self._pools.forgive(self._clock())

    def _look_whether_emptied(self, now: float) -> None:
        if self._tasks.was_emptied():
            log.warning("Redis was emptied: what waited there is planned again")
            self._gpu_unknown_until = now + _GPU_ANNOUNCES_WITHIN_S
            for pool in self._pools.all:
                pool.losses.emptied(now, self._tasks.waiting(pool.queue))

    def _look_for_gpu(self, pool: Pool) -> list[DetectRange]:
        """Learn whether a GPU's workers are there; when they have gone, what waits for them goes to the CPU's."""
        was, pool.present = pool.present, self._tasks.is_served(pool.queue)
        if was and not pool.present:
            log.warning("no worker serves %s any more", pool.queue)
            self._tasks.clear(pool.queue)
        return [] if pool.present else pool.losses.give_up()
