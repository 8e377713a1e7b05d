"""The worker role: a Celery worker whose processes each hold models, a log reader and a producer."""

import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

from celery import Celery
from celery.signals import (
    setup_logging,
    task_received,
    worker_before_create_process,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)
from celery.worker.consumer import Consumer
from celery.worker.state import active_requests, maybe_shutdown

from contracts.errors import ContractError, UnavailableError
from contracts.tasks import (
    QUEUE_AGAIN,
    QUEUE_DETECT,
    QUEUE_DETECT_GPU,
    QUEUE_INGEST,
    QUEUE_INTERACTIVE,
    TASK_DETECT_RANGE,
    DetectRange,
)
from messaging.admin import ensure_topics
from messaging.producer import Producer
from messaging.reader import LogReader
from messaging.tasks import TaskQueue, make_celery, ping_redis
from settings import Settings
from settings.logs import log_fields
from storage.cameras import RemoteCameras
from workers.camera_detection import CameraDetections
from workers.detect_range import RangeProcessor
from workers.frame_analyser import FrameAnalyser
from workers.isolation import Isolator
from workers.loaded_models import LoadedModels, load_by_name
from workers.measurements import Measurement, Measurements
from workers.outcomes import Outcome, OutcomePublisher
from workers.tracing import FrameTracer, make_tracer
from workers.watchdog import WarmProcesses, Watchdog

log = logging.getLogger(__name__)

_QUEUES = {
    "cpu": (QUEUE_INTERACTIVE, QUEUE_AGAIN, QUEUE_DETECT, QUEUE_INGEST),
    "gpu": (QUEUE_INTERACTIVE, QUEUE_AGAIN, QUEUE_DETECT_GPU, QUEUE_DETECT, QUEUE_INGEST),
}
_ANNOUNCE_EVERY_S = 4.0
_TELL_EVERY_S = 0.25
_BEAT_EVERY_S = 1.0
_RECONNECT_S = {"interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.5}
_LINGER_MS = 5
"""The results of a task leave together, as each request wakes broker, bridge and sink; a flush sends them at once."""


class WorkerProcess:
    """What one process of the pool holds. Made before the fork, started after it."""

    def __init__(
        self,
        settings: Settings,
        on_warm: Callable[[], None] = lambda: None,
        report: Callable[[Measurement], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._on_warm = on_warm
        self._report = report
        self._processor: RangeProcessor | None = None
        self._reader: LogReader | None = None
        self._producer: Producer | None = None
        self._isolator: Isolator | None = None
        self._followed: RemoteCameras | None = None
        self._cameras: CameraDetections | None = None
        self._tracer: FrameTracer | None = None

    def start(self) -> None:
        """Connect to Kafka, load the model and read the cameras, so that the first task finds all of it warm."""
        settings = self._settings
        self._reader = LogReader(settings)
        self._reader.start()
        self._producer = Producer(settings, linger_ms=_LINGER_MS, max_block_s=30.0)
        self._producer.start()
        models = LoadedModels(load_by_name(settings), settings.models_loaded)
        models.get(settings.model)
        self._followed = RemoteCameras(settings)
        self._cameras = CameraDetections(settings, self._followed.poll)
        self._cameras.start()
        analyser = FrameAnalyser(settings, models, self._cameras.of, _utc_now)
        publisher = OutcomePublisher(self._producer, settings)
        self._isolator = Isolator(settings, self._cameras.of, analyser.model_of)

        tracer = self._tracer = make_tracer(settings, "worker")

        def measured(task: DetectRange, outcomes: Sequence[Outcome], seconds: float) -> None:
            self._report(Measurement.of(analyser.runtime_name, outcomes, seconds))
            if tracer is not None:
                tracer.detected(task, outcomes, _utc_now(), seconds)

        self._processor = RangeProcessor(self._reader, analyser, publisher, self._isolator.run, _utc_now, measured)
        self._on_warm()

    def processor(self) -> RangeProcessor:
        """Return what runs tasks, started when it was not (a process whose start failed tries again here)."""
        if self._processor is None:
            self.close()
            self.start()
        assert self._processor is not None
        return self._processor

    def close(self) -> None:
        """Disconnect."""
        if self._tracer is not None:
            self._tracer.close()
        if self._isolator is not None:
            self._isolator.close()
        if self._cameras is not None:
            self._cameras.close()
        if self._followed is not None:
            self._followed.close()
        if self._producer is not None:
            self._producer.close()
        if self._reader is not None:
            self._reader.close()


def make_app(settings: Settings, process: WorkerProcess) -> Celery:
    """Return the Celery application with its task, which `process` runs."""
    app = make_celery(settings)

    @app.task(name=TASK_DETECT_RANGE, ignore_result=True, shared=False)
    def detect_range(**arguments: Any) -> None:
        """Detect the faces in the records [start, stop) of a partition; leave out what is no such task."""
        try:
            task = DetectRange.from_kwargs(arguments)
        except ContractError as error:
            log.warning("left out a task: %s", error)
            return
        with log_fields(task=str(task)):
            process.processor().process(task)

    return app


class SteadyConsumer(Consumer):  # type: ignore[misc]  # Celery carries no types
    """Celery's consumer, back soon after Redis is, and telling Flower of its tasks a few times a second.

    Celery itself tells three times a task, and tries a lost Redis again after 2, 4, 6 and up to 30 s.
    """

    _tells_at = float("-inf")
    beat: Callable[[], object]

    def loop_args(self) -> Any:
        """Have the loop beat each second, whenever it begins anew: Celery clears its timers with each connection."""
        if self.hub:
            self.hub.call_repeatedly(_BEAT_EVERY_S, self.beat)
        return super().loop_args()

    def ensure_connected(self, conn: Any) -> Any:
        """Connect to Redis, however long it is away: tried again after 0.1 to 0.5 s, and told of once."""
        told = False

        def failed(error: Exception, _pause_s: float) -> None:
            nonlocal told
            self.beat()
            if not told:
                log.warning("Redis does not answer, and is tried until it does: %s", error)
            told = True

        connected = conn.ensure_connection(failed, callback=maybe_shutdown, **_RECONNECT_S)
        self.first_connection_attempt = False
        return connected

    def on_send_event_buffered(self) -> None:
        """Have what is buffered sent soon; the dispatcher itself sends it once there are 24 events.

        By the clock, not by a mark that the timer takes away: Celery clears its timers when the connection is lost.
        """
        now = time.monotonic()
        if self.hub and now >= self._tells_at:
            self._tells_at = now + _TELL_EVERY_S
            self.hub.call_later(_TELL_EVERY_S, self._flush_events)


def _beating(beat: Callable[[], object]) -> type[SteadyConsumer]:
    """Return a consumer whose loop calls `beat`."""
    return type("BeatingConsumer", (SteadyConsumer,), {"beat": staticmethod(beat)})


class Worker:
    """The role: a Celery worker with a pool of processes. Celery handles the signals: the first lets tasks finish."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._warm = WarmProcesses(settings.worker_processes)
        self._measurements = Measurements()
        self._process = WorkerProcess(settings, self._warm.add, self._measurements.report)
        self._consuming = threading.Event()
        self._queues = _QUEUES[settings.worker_pool]
        self._over = threading.Event()
        self._tasks = TaskQueue(settings)
        self._watchdog = Watchdog(
            lambda: sum(self._tasks.length(queue) for queue in self._queues),
            lambda: len(active_requests),
            self._warm.count,
            time.monotonic,
        )

    def start(self) -> None:
        """See that the servers answer, and make the topics.

        Raises:
            UnavailableError: Redis or Kafka does not answer.
        """
        ping_redis(self._settings)
        ensure_topics(self._settings)

    def run(self, stop: threading.Event) -> None:
        """Take tasks until a signal comes."""
        app = make_app(self._settings, self._process)
        setup_logging.connect(_keep_logging, weak=False)
        worker_before_create_process.connect(_leave_shared, weak=False)
        worker_process_init.connect(self._on_process_init, weak=False)
        worker_process_shutdown.connect(self._on_process_shutdown, weak=False)
        worker_ready.connect(self._on_ready, weak=False)
        task_received.connect(self._on_task_received, weak=False)
        worker = app.Worker(
            hostname=f"worker-{os.getpid()}@{socket.gethostname()}",
            queues=",".join(self._queues),
            concurrency=self._settings.worker_processes,
            pool="prefork",
            optimization="fair",
            consumer_cls=_beating(stop.is_set),
            without_mingle=True,
            without_gossip=True,
            loglevel=self._settings.log_level,
        )
        worker.start()
        stop.set()

    def close(self) -> None:
        """Stop watching; the processes of the pool hold the other connections, and close them."""
        self._over.set()
        self._watchdog.close()
        self._measurements.close()
        self._tasks.close()

    def ready(self) -> dict[str, bool]:
        """Whether tasks are taken, and a process is warm."""
        return {"consuming": self._consuming.is_set(), "model": self._warm.count() > 0}

    def _on_process_init(self, **_: Any) -> None:
        self._process.start()

    def _on_process_shutdown(self, **_: Any) -> None:
        self._process.close()

    def _on_ready(self, **_: Any) -> None:
        self._consuming.set()
        self._watchdog.start()
        self._measurements.start()
        if QUEUE_DETECT_GPU in self._queues:
            threading.Thread(target=self._announce, name="announce", daemon=True).start()

    def _announce(self) -> None:
        """Tell the bridges that the GPU's queue is served, for as long as this lasts."""
        while not self._over.is_set():
            try:
                self._tasks.announce(QUEUE_DETECT_GPU)
            except UnavailableError as error:
                log.warning("%s", error)
            self._over.wait(_ANNOUNCE_EVERY_S)

    def _on_task_received(self, **_: Any) -> None:
        self._watchdog.took_a_task()


def _leave_shared(**_: Any) -> None:
    """Keep the garbage collector of the process to come off what it shares with this one: its marks would copy it."""
    gc.collect()
    gc.freeze()


def _keep_logging(**_: Any) -> None:
    """Stand in for Celery's own set-up of the log: the runner's stays."""


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)
