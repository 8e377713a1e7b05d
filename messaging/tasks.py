"""Celery, seen from those who enqueue: the application's configuration, and tasks sent by name."""

import base64
import json
import logging
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from contracts.errors import UnavailableError
from contracts.tasks import (
    QUEUE_DETECT,
    QUEUES,
    TASK_DETECT_RANGE,
    DetectRange,
)
from settings import Settings

log = logging.getLogger(__name__)

_SOCKET_TIMEOUT_S = 5.0
_SERVED_S = 15
_MARK_S = 24 * 3600
_START_S = 1800.0
"""How long a process of the pool may load its model: a large one is converted first, which takes minutes."""

_GIVE_UP_SOON = {"max_retries": 1, "interval_start": 0.1}
"""For those who enqueue: without it a refused connection is tried for six seconds, which holds a web request."""


def make_celery(settings: Settings) -> Celery:
    """Return the Celery application: JSON only, one task at a time a process, acknowledged early on purpose.

    Detection tasks name places in the log and are made again from it by the bridge when they are lost
    (docs/adr/0001), so late acknowledgement would add nothing but its time-outs and endless redeliveries.
    """
    app = Celery("crowdwatch", broker=settings.redis_url, set_as_current=False)
    app.conf.update(
        broker_use_ssl=redis_tls(settings) or None,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue=QUEUE_DETECT,
        task_create_missing_queues=True,
        task_acks_late=False,
        task_track_started=False,
        task_time_limit=settings.task_time_limit_s,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_proc_alive_timeout=_START_S,
        worker_soft_shutdown_timeout=5.0,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,
        task_send_sent_event=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_acquire_timeout=_SOCKET_TIMEOUT_S,
        broker_transport_options={
            "queue_order_strategy": "priority",  # in the order of QUEUES: interactive first
            "visibility_timeout": 3600,
            "socket_timeout": _SOCKET_TIMEOUT_S,
            "socket_connect_timeout": _SOCKET_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app


class TaskQueue:
    """Enqueues detection tasks and tells how many wait."""

    def __init__(self, settings: Settings) -> None:
        self._celery = make_celery(settings)
        self._celery.conf.broker_transport_options |= _GIVE_UP_SOON
        self._redis = _redis(settings, _SOCKET_TIMEOUT_S)
        self._address = _address(settings)
        self._mark = f"crowdwatch.mark.{uuid.uuid4().hex}"
        self._marked = False

    def enqueue(self, task: DetectRange, queue: str = QUEUE_DETECT) -> None:
        """Put the task at the end of `queue`.

        Raises:
            UnavailableError: Redis does not answer; nothing was enqueued, as far as can be known.
        """
        if queue not in QUEUES:
            raise ValueError(f"expected one of the queues {QUEUES}, got {queue!r}")
        try:
            self._celery.send_task(
                TASK_DETECT_RANGE, kwargs=task.to_kwargs(), queue=queue, ignore_result=True, retry=False
            )
        except (OperationalError, OSError, redis.RedisError) as error:
            raise UnavailableError(f"Redis at {self._address} does not take tasks: {error}") from error

    def length(self, queue: str) -> int:
        """Return how many tasks wait in `queue`; those that a worker has taken are not among them.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with _redis_errors(self._address):
            waiting: Any = self._redis.llen(queue)
        return int(waiting)

    def waiting(self, queue: str) -> list[DetectRange]:
        """Return the tasks that wait in `queue`, the next one first. What is no detection task is left out.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with _redis_errors(self._address):
            messages: Any = self._redis.lrange(queue, 0, -1)
        return [task for message in reversed(messages) if (task := _decode(message)) is not None]

    def begin_watch(self) -> None:
        """Let the next asking whether Redis was emptied be the first: what was before is of no matter."""
        self._marked = False

    def was_emptied(self) -> bool:
        """Whether Redis has lost what it held since this was asked last; False the first time after `begin_watch`.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with _redis_errors(self._address):
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.exists(self._mark)
            pipeline.set(self._mark, 1, ex=_MARK_S)
            there, _ = pipeline.execute()
        emptied = self._marked and not there
        self._marked = True
        return emptied

    def announce(self, queue: str) -> None:
        """Say that a worker serves `queue`; to be said again every few seconds.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with _redis_errors(self._address):
            self._redis.set(_served(queue), 1, ex=_SERVED_S)

    def is_served(self, queue: str) -> bool:
        """Whether a worker has said of late that it serves `queue`.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with _redis_errors(self._address):
            return bool(self._redis.exists(_served(queue)))

    def clear(self, queue: str) -> None:
        """Remove the tasks that wait in `queue`.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with _redis_errors(self._address):
            self._redis.delete(queue)

    def close(self) -> None:
        """Disconnect."""
        self._celery.close()
        self._redis.close()


def ping_redis(settings: Settings, timeout_s: float = 5.0) -> None:
    """Ask Redis for a sign of life.

    Raises:
        UnavailableError: it does not answer in time.
    """
    client = _redis(settings, timeout_s)
    try:
        with _redis_errors(_address(settings)):
            client.ping()
    finally:
        client.close()


def redis_tls(settings: Settings) -> dict[str, Any]:
    """Return the options with which redis-py checks the server and shows a certificate of ours; none without TLS.

    They go to Celery and Flower too, which read no such options from the address and check nothing without them.
    """
    if urlsplit(settings.redis_url).scheme != "rediss":
        return {}
    options: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    if settings.tls_ca_file is not None:
        options["ssl_ca_certs"] = str(settings.tls_ca_file)
    if settings.tls_certificate_file is not None:
        options["ssl_certfile"] = str(settings.tls_certificate_file)
    return options


@contextmanager
def _redis_errors(address: str) -> Iterator[None]:
    try:
        yield
    except redis.AuthenticationError as error:
        raise UnavailableError(f"Redis at {address} refuses the sign-in in REDIS_URL: {error}") from error
    except redis.exceptions.NoPermissionError as error:
        raise UnavailableError(f"Redis at {address} does not permit it: {error}") from error
    except (redis.RedisError, OSError) as error:
        raise UnavailableError(f"Redis at {address} does not answer: {error}{_hint(str(error))}") from error


def _hint(said: str) -> str:
    """What may be wrong when TLS is."""
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return "; CROWDWATCH_TLS_CA_FILE names those who may vouch for it"
    if "reset by peer" in said or "closed by server" in said or "EOF occurred" in said or "SSL" in said:
        return (
            "; does it speak TLS (a REDIS_URL that starts with rediss://), "
            "and ask for a certificate (CROWDWATCH_TLS_CERTIFICATE_FILE)?"
        )
    return ""


def _address(settings: Settings) -> str:
    """Where Redis is, without what is needed to sign in."""
    return urlsplit(settings.redis_url).netloc.rpartition("@")[2]


def _served(queue: str) -> str:
    return f"crowdwatch.served.{queue}"


def _decode(message: bytes) -> DetectRange | None:
    """Read a task from the envelope in which kombu keeps it in Redis."""
    try:
        envelope = json.loads(message)
        if envelope["headers"]["task"] != TASK_DETECT_RANGE:
            return None
        _args, kwargs, _embed = json.loads(base64.b64decode(envelope["body"]))
        return DetectRange.from_kwargs(kwargs)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("a message in the queue is no task: %s", error)
        return None


def _redis(settings: Settings, timeout_s: float) -> "redis.Redis":
    return redis.Redis.from_url(
        settings.redis_url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, **redis_tls(settings)
    )
