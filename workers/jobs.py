"""The jobs role: what was uploaded goes into the log, frame by frame; a job is done when each frame has its result."""

import logging
import os
import socket
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from prometheus_client import Counter

from contracts.errors import PictureError, UnavailableError
from messaging.admin import ensure_topics
from messaging.producer import Producer
from settings import Settings
from storage.client import connect
from storage.jobs import Job, Jobs, JobState
from storage.leases import Leases
from workers.job_sending import JobSender, Stopped
from workers.runner import run_steps

log = logging.getLogger(__name__)

LEASE_S = 8.0
_STEP_S = 0.5
_AT_ONCE = 3
_TIDY_EVERY_S = 3600.0
_LEFT_FOR = timedelta(days=1)

ENDED = Counter("crowdwatch_jobs_ended", "Jobs that have ended", ["state"])


@dataclass(frozen=True)
class _Sending:
    """A job at work, and how to stop that."""

    future: "Future[None]"
    stop: threading.Event


class JobsRole:
    """Works on a few jobs at a time; several such processes share them by leases. Jobs of one camera follow each
    other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect(settings)
        self._jobs = Jobs(self._client, settings)
        owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._leases = Leases(self._client, settings, "job-camera", owner, LEASE_S)
        self._producer = Producer(settings, linger_ms=5)
        self._executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="job")
        self._sending: dict[str, _Sending] = {}
        self._tidied_s = -_TIDY_EVERY_S
        self._healthy = {"kafka": False, "mongodb": False}

    def start(self) -> None:
        """Make topics and indexes, and connect.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        self._leases.ensure_indexes()
        self._jobs.ensure_indexes()
        self._healthy["mongodb"] = True
        ensure_topics(self._settings)
        self._producer.start()
        self._healthy["kafka"] = True

    def ready(self) -> dict[str, bool]:
        """Whether Kafka answered at the start, and MongoDB last."""
        return dict(self._healthy)

    def close(self) -> None:
        """Leave the jobs as they are: they go on where they stand."""
        for sending in self._sending.values():
            sending.stop.set()
        self._executor.shutdown(wait=True, cancel_futures=True)
        try:
            self._leases.release(self._sending.keys())
        except UnavailableError as error:
            log.warning("%s", error)
        self._producer.close()
        self._client.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times."""
        run_steps(self._step, stop, count, healthy=self._healthy, server="mongodb", pause_s=_STEP_S)

    def _step(self) -> None:
        over = [camera_id for camera_id, sending in self._sending.items() if sending.future.done()]
        for camera_id in over:
            del self._sending[camera_id]
        self._leases.release(over)
        kept = self._leases.renew(self._sending.keys()) if self._sending else set()
        for camera_id in self._sending.keys() - kept:
            self._sending[camera_id].stop.set()  # it is another's now
        for job in self._jobs.open():
            if job.total is not None:
                self._end_if_complete(job)
            elif job.camera_id not in self._sending and len(self._sending) < _AT_ONCE:
                if self._leases.acquire(job.camera_id):
                    stop = threading.Event()
                    self._sending[job.camera_id] = _Sending(self._executor.submit(self._send, job.job_id, stop), stop)

        if time.monotonic() - self._tidied_s >= _TIDY_EVERY_S:
            self._tidied_s = time.monotonic()
            removed = self._jobs.delete_leftovers(datetime.now(timezone.utc) - _LEFT_FOR)
            if removed:
                log.info("removed %d uploads of which nothing came", removed)

    def _end_if_complete(self, job: Job) -> None:
        if job.total is not None and self._jobs.count_results(job) >= job.total:
            self._end(job, JobState.DONE)

    def _send(self, job_id: str, stop: threading.Event) -> None:
        """Send a job's frames; runs in a thread. Whatever is thrown is the job's failure, never the role's."""
        try:
            job = self._jobs.get(job_id)  # as it is now: another may have been at it
            if job is None or job.total is not None:
                return
            job = self._begin(job)
            sender = JobSender(self._settings, self._jobs, self._producer, job, stop)
            try:
                total = sender.run()
            except PictureError as error:
                self._end(job, JobState.FAILED, str(error))
            except (Stopped, UnavailableError):
                raise
            except Exception as error:
                log.exception("job %s broke", job_id)
                self._end(job, JobState.FAILED, f"it broke: {type(error).__name__}")
            else:
                if total:
                    self._jobs.change(job_id, total=total)
                    self._jobs.delete_files(job.files)
                else:
                    self._end(job, JobState.FAILED, "no frame of it can be decoded")
        except Stopped:
            log.info("job %s is left as it is", job_id)
            self._delete_files_of_ended(job_id)
        except UnavailableError as error:
            log.warning("job %s goes on later: %s", job_id, error)

    def _begin(self, job: Job) -> Job:
        """Mark a job as begun and return it. Its frames get ids behind those of the camera's jobs before it.

        Two uploads at the same moment may have been given the same ids; here one job of a camera follows the other.
        """
        if job.touched_at is not None:
            return job
        first = self._jobs.next_frame_id(job.camera_id, job.first_frame_id, begun_besides=job.job_id)
        begun = replace(job, first_frame_id=first, state=JobState.RUNNING)
        fields = {"first_frame_id": first, "state": JobState.RUNNING.value, "touched_at": datetime.now(timezone.utc)}
        self._jobs.change(job.job_id, **fields)
        return begun

    def _end(self, job: Job, state: JobState, error: str | None = None) -> None:
        if self._jobs.finish(job.job_id, state, datetime.now(timezone.utc), error):
            ENDED.labels(state.value).inc()
        self._jobs.delete_files(job.files)

    def _delete_files_of_ended(self, job_id: str) -> None:
        try:
            job = self._jobs.get(job_id)
            if job is not None and job.state is JobState.CANCELLED:
                self._jobs.delete_files(job.files)
        except UnavailableError as error:
            log.warning("%s", error)
