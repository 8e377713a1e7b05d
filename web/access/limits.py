"""How often somebody may call, counted in Redis for all web processes together.

While Redis does not answer nobody is held up: a limit that fails closed would stop the site for a cache.
"""

import logging
import time

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from messaging.tasks import redis_tls
from settings import Settings
from web.errors import RequestError

log = logging.getLogger(__name__)

_ANSWERS_WITHIN_S = 0.25
_WITHOUT_REDIS_S = 5.0
_FAILURES_OF_ADDRESS = RateLimitItemPerMinute(10)
_FAILURES_OF_NAME = RateLimitItemPerHour(50)


class RateLimits:
    """The limits of one installation: of requests by caller, and of failed sign-ins by address and by name."""

    def __init__(self, settings: Settings) -> None:
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute) if settings.requests_per_minute else None
        self._storage = RedisStorage(
            settings.redis_url,
            key_prefix=f"{settings.group_prefix}-limits",
            wrap_exceptions=True,
            socket_timeout=_ANSWERS_WITHIN_S,
            socket_connect_timeout=_ANSWERS_WITHIN_S,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # handed on to redis, which takes it
            **redis_tls(settings),
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._again_s = 0.0

    def count_request(self, caller: str) -> None:
        """Count a request of a caller.

        Raises:
            RequestError: 429, there were too many in the last minute.
        """
        if self._requests is not None and not self._ask(self._requests, "request", caller, count=True):
            raise _too_many("too many requests", self._requests)

    def refuse_after_failures(self, address: str, name: str | None = None) -> None:
        """Refuse to let somebody in after too many failures, from one address or with one name.

        Raises:
            RequestError: 429, there were too many.
        """
        for limit, kind, who in _failures(address, name):
            if not self._ask(limit, kind, who, count=False):
                raise _too_many("too many attempts failed", limit)

    def count_failure(self, address: str, name: str | None = None) -> None:
        """Count a failure to get in: a wrong password, link or key."""
        for limit, kind, who in _failures(address, name):
            self._ask(limit, kind, who, count=True)

    def close(self) -> None:
        """Disconnect."""
        self._storage.storage.close()

    def _ask(self, limit: RateLimitItem, kind: str, who: str, *, count: bool) -> bool:
        """Whether one more is within the limit; after Redis did not answer, it is left alone for a moment."""
        if time.monotonic() < self._again_s:
            return True
        try:
            return self._limiter.hit(limit, kind, who) if count else self._limiter.test(limit, kind, who)
        except StorageError as error:
            self._again_s = time.monotonic() + _WITHOUT_REDIS_S
            log.warning("requests are not limited, Redis does not answer: %s", error.storage_error)
            return True


def _failures(address: str, name: str | None) -> list[tuple[RateLimitItem, str, str]]:
    of_name = [] if name is None else [(_FAILURES_OF_NAME, "failure-name", name)]
    return [(_FAILURES_OF_ADDRESS, "failure-address", address), *of_name]


def _too_many(message: str, limit: RateLimitItem) -> RequestError:
    return RequestError(429, f"{message}: {limit.amount} a {limit.GRANULARITY.name} are accepted", retry_after_s=10)
