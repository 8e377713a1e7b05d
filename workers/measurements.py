"""What the processes of a worker's pool measure, counted in its main process, which serves the metrics.

A process of the pool may be killed at any instruction, so nothing is shared that could be left locked or half written:
a measurement is one write to a pipe, short enough to be whole, and is dropped when nobody has made room in time.
"""

import json
import logging
import os
import select
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from prometheus_client import Counter, Histogram

from contracts.faces import Status
from workers.outcomes import Outcome

log = logging.getLogger(__name__)

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_SECONDS = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)
_READ_BYTES = 1 << 16
_LOOK_EVERY_S = 0.5

DETECT_SECONDS = Histogram(
    "crowdwatch_worker_detect_seconds",
    "Detection of one frame; batch: at most so many frames at once",
    ["runtime", "batch"],
    buckets=_SECONDS,
)
TASK_SECONDS = Histogram(
    "crowdwatch_worker_task_seconds",
    "A task, from reading its range to all of its results acknowledged",
    buckets=tuple(4 * seconds for seconds in _SECONDS),
)
FRAMES = Counter("crowdwatch_worker_frames", "Frames answered", ["status"])
DEAD_LETTERS = Counter("crowdwatch_worker_dead_letters", "Failed frames copied to frames.dead")


@dataclass(frozen=True)
class Measurement:
    """One task, done.

    Attributes:
        runtime: that detected.
        ok, skipped, failed: how many frames were answered so.
        dead: how many were put aside.
        detect_s: detection of each frame that is ok, on average; 0 without one.
        task_s: the whole task.
    """

    runtime: str
    ok: int
    skipped: int
    failed: int
    dead: int
    detect_s: float
    task_s: float

    @classmethod
    def of(cls, runtime: str, outcomes: Sequence[Outcome], task_s: float) -> "Measurement":
        """Build it from what became of a task's offsets."""
        results = [outcome.result for outcome in outcomes if outcome.result is not None]
        counts = {status: sum(result.status is status for result in results) for status in Status}
        spent_ms = [result.inference_ms for result in results if result.inference_ms is not None]
        return cls(
            runtime=runtime,
            ok=counts[Status.OK],
            skipped=counts[Status.SKIPPED],
            failed=counts[Status.FAILED],
            dead=sum(outcome.dead is not None for outcome in outcomes),
            detect_s=sum(spent_ms) / len(spent_ms) / 1000 if spent_ms else 0.0,
            task_s=task_s,
        )

    def count(self) -> None:
        """Enter it into the metrics of this process."""
        if self.ok:
            batch = next((size for size in _BATCHES if self.ok <= size), _BATCHES[-1])
            DETECT_SECONDS.labels(self.runtime, batch).observe(self.detect_s)
        TASK_SECONDS.observe(self.task_s)
        for status, frames in ((Status.OK, self.ok), (Status.SKIPPED, self.skipped), (Status.FAILED, self.failed)):
            if frames:
                FRAMES.labels(status.value).inc(frames)
        DEAD_LETTERS.inc(self.dead)


class Measurements:
    """The pipe. Make it before the pool's processes are forked; `report` is theirs, the rest the main process'."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        for end in (self._out, self._in):
            os.set_blocking(end, False)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="measurements", daemon=True)

    def report(self, measurement: Measurement) -> None:
        """Send a measurement to the main process; it is lost when that has not kept up."""
        line = json.dumps(asdict(measurement)).encode() + b"\n"
        if len(line) > select.PIPE_BUF:
            raise ValueError(f"expected at most {select.PIPE_BUF} bytes, got {len(line)}")
        try:
            os.write(self._in, line)
        except BlockingIOError:
            log.debug("a measurement was lost")

    def start(self) -> None:
        """Begin to count what is reported."""
        self._thread.start()

    def close(self) -> None:
        """Count what has been reported, and stop."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._in)
        os.close(self._out)

    def _read(self) -> None:
        rest = b""
        while True:
            last = self._over.is_set()
            readable, _, _ = select.select([self._out], [], [], 0 if last else _LOOK_EVERY_S)
            if readable:
                *lines, rest = (rest + os.read(self._out, _READ_BYTES)).split(b"\n")
                for line in lines:
                    Measurement(**json.loads(line)).count()
            elif last:
                return
