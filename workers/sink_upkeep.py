"""What the sink does beside storing: it follows retention and logs, and brings what is stored up to them."""

import logging
import threading
import time

from contracts.errors import UnavailableError
from settings import Settings
from storage.cameras import Cameras, CamerasFollower
from storage.client import Connection
from storage.expiry import ExpiryChange, StoredExpiry
from storage.result_writes import Expiry
from storage.results import Results
from workers.sink_logs import SinkLogs

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_ASK_LOGS_EVERY_S = 5.0
_CHECK_EVERY_S = 60.0
_EVERYBODY_FOLLOWS_S = 5.0
"""By then every sink stores by a retention that was changed: what is stored is changed after that."""

_AT_ONCE = 2000


class SinkUpkeep:
    """Runs in a thread of its own. Every sink follows; only the one that is `leading` changes what is stored."""

    def __init__(self, settings: Settings, client: Connection, results: Results, logs: SinkLogs) -> None:
        self._default_days = settings.retention_days
        self._results = results
        self._logs = logs
        self._follower = CamerasFollower(Cameras(client, settings))
        self._stored = StoredExpiry(client, settings)
        self.expiry = Expiry(self._default_days)
        """When results expire, as of the last look."""

        self.leading = False
        """Whether this sink is the one that changes what is stored; set by its owner."""

        self._noticed_s: dict[ExpiryChange, float] = {}
        self._next_ask_s = self._next_check_s = float("-inf")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sink-upkeep", daemon=True)

    def start(self) -> None:
        """Read retention and logs, and begin.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        self._follow_cameras()
        self._logs.refresh()
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """Stop after what is at hand."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            try:
                self._step(time.monotonic())
            except UnavailableError as error:
                log.warning("upkeep goes on later: %s", error)
            except Exception:  # stored results must not stay as they are for one that is odd
                log.exception("upkeep goes on later")

    def _step(self, now_s: float) -> None:
        if self._follow_cameras():
            self._next_check_s = now_s
        if now_s >= self._next_ask_s:
            self._next_ask_s = now_s + _ASK_LOGS_EVERY_S
            self._logs.refresh()
        if not self.leading:
            self._noticed_s.clear()
            return
        self._set_aside()
        if self._noticed_s or now_s >= self._next_check_s:
            self._next_check_s = now_s + _CHECK_EVERY_S
            self._apply(now_s)

    def _follow_cameras(self) -> bool:
        changes = self._follower.poll()
        if not changes.changed and not changes.removed:
            return False
        cameras = {name: days for name, days in self.expiry.cameras.items() if name not in changes.removed}
        cameras |= {name: camera.retention_days for name, camera in changes.changed.items()}
        self.expiry = Expiry(self._default_days, cameras)
        return True

    def _set_aside(self) -> None:
        """Take what is left of earlier logs out of the places of the new ones."""
        for topic, known in self._logs.known.items():
            moved = 0
            while not known.settled and not self._stop.is_set():
                number = self._results.set_aside(topic, known.log_id, known.first, _AT_ONCE)
                moved += number
                if number < _AT_ONCE:
                    self._logs.settle(topic, known.log_id)
                    log.info("%s: %d results of earlier logs are set aside", topic, moved)
                    break

    def _apply(self, now_s: float) -> None:
        """Change when stored results expire, once every sink stores new ones by the same retention."""
        changes = self._stored.changes(self.expiry)
        self._noticed_s = {change: self._noticed_s.get(change, now_s) for change in changes}
        for change in changes:
            if now_s - self._noticed_s[change] < _EVERYBODY_FOLLOWS_S:
                continue
            changed = self._stored.apply(change, self.expiry, self._stop)
            if changed is None:
                return
            del self._noticed_s[change]
            whose = "cameras without a retention of their own" if change.camera_id is None else change.camera_id
            log.info("%s: %d results expire after %g days now", whose, changed, change.days)
