"""What the web role does beside answering requests: prepares the servers once, and follows the results."""

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from contracts.errors import CrowdwatchError, UnavailableError
from messaging.consumer import Follower
from messaging.records import LogRecord
from messaging.refusals import Refusals

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 5.0
_POLL_MS = 500
_JOIN_S = 10.0


class Preparation:
    """Runs the steps that must have succeeded once before the role is ready, each again until its server answers.

    The role answers `/healthz` and `/readyz` meanwhile, so that one can see what it waits for.
    """

    def __init__(self, steps: dict[str, Callable[[], None]]) -> None:
        self._steps = steps
        self._stop = threading.Event()
        self._problem: str | None = "not started"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web-preparation", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Return when it is done or cannot go on, after `timeout_s` at the latest."""
        self._ended.wait(timeout_s)

    def close(self) -> None:
        """Give up what is not done yet."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def check(self) -> None:
        """Return when everything is prepared.

        Raises:
            UnavailableError: it is not, and why.
        """
        if self._problem is not None:
            raise UnavailableError(self._problem)

    def _run(self) -> None:
        try:
            self._prepare()
        finally:
            self._ended.set()

    def _prepare(self) -> None:
        for name, step in self._steps.items():
            backoff_s = _FIRST_BACKOFF_S
            while True:
                if self._stop.is_set():
                    return
                try:
                    step()
                except UnavailableError as error:
                    self._problem = f"{name}: {error}"
                    log.warning("waiting for %s: %s", name, error)
                    self._stop.wait(backoff_s)
                    backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)
                except CrowdwatchError as error:  # trying again would not help
                    self._problem = f"{name}: {error}"
                    log.error("cannot prepare %s: %s", name, error)
                    return
                else:
                    break
        self._problem = None
        log.info("prepared: %s", ", ".join(self._steps))


class Feed(Generic[T]):
    """Follows a topic from its end, in a thread of its own, and hands on each record that can be read and handled."""

    def __init__(
        self,
        make_follower: Callable[[], Follower],
        decode: Callable[[bytes], T],
        handle: Callable[[T], None],
        refusals: Refusals,
    ) -> None:
        self._make_follower = make_follower
        self._decode = decode
        self._handle = handle
        self._refusals = refusals
        self._stop = threading.Event()
        self._following = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web-feed", daemon=True)

    def start(self) -> None:
        """Begin to follow; records from about now on are seen, which `check` tells exactly."""
        self._thread.start()

    def close(self) -> None:
        """Stop to follow."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def check(self) -> None:
        """Return when the topic is followed.

        Raises:
            UnavailableError: they are not.
        """
        if not self._following.is_set():
            raise UnavailableError("the topic is not followed yet")

    def _run(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while not self._stop.is_set():
            follower = self._make_follower()
            try:
                follower.start()
                self._following.set()
                backoff_s = _FIRST_BACKOFF_S
                while not self._stop.is_set():
                    for record in follower.poll(_POLL_MS):
                        self._take(record)
            except Exception as error:  # whatever it is: live pages must not stop for good
                log.warning(
                    "following again in %g s: %s", backoff_s, error, exc_info=not isinstance(error, UnavailableError)
                )
                self._following.clear()
                self._stop.wait(backoff_s)
                backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)
            finally:
                self._following.clear()
                follower.close()

    def _take(self, record: LogRecord) -> None:
        if record.value is None:  # settles offsets that hold no frame
            return
        try:
            self._handle(self._decode(record.value))
        except Exception as error:  # whatever a record brings about: the next one has done nothing
            self._refusals.refuse((record, error))
