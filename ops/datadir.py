"""A data directory: which one process may use at a time, and which remembers what runs in it."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from contracts.errors import CrowdwatchError, UnavailableError
from ops.guard import is_alive, kill_group
from ops.private_files import make_private, write_private
from settings import Settings

SERVER_ADDRESSES = ("kafka_bootstrap_servers", "redis_url", "mongodb_uri")
KAFKA_SIGN_IN = ("kafka_security_protocol", "kafka_sasl_mechanism", "kafka_username", "kafka_password")
"""Settings that belong to the address of Kafka."""

_GUARD_TIMEOUT_S = 20.0
_CLOCK_SLACK_S = 2.0


@dataclass(frozen=True)
class ProcessRef:
    """A process that cannot be mistaken for a later one with its number."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> "ProcessRef":
        """Return the reference to a process that runs now."""
        return cls(pid, psutil.Process(pid).create_time())

    @property
    def running(self) -> bool:
        """Whether this very process is alive."""
        if not self.pid or not is_alive(self.pid):
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.create_time) < _CLOCK_SLACK_S
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True)
class ProcessState:
    """One line of the status. `external`: a server that was there before, at an address that was given."""

    name: str
    pid: int
    state: str
    create_time: float = 0.0
    metrics_url: str | None = None
    external: bool = False

    @property
    def ref(self) -> ProcessRef:
        """Which process it is."""
        return ProcessRef(self.pid, self.create_time)


@dataclass(frozen=True)
class SystemState:
    """What runs, and where it is reached: the content of `state.json`."""

    supervisor: ProcessRef
    kafka_bootstrap_servers: str
    redis_url: str
    mongodb_uri: str
    web_url: str
    flower_url: str
    roles: tuple[ProcessState, ...] = field(default=())
    servers: tuple[ProcessState, ...] = field(default=())
    kafka_sign_in: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "SystemState":
        """Build the state from what `state.json` holds."""
        return cls(
            **fields
            | {
                "supervisor": ProcessRef(**fields["supervisor"]),
                "roles": tuple(ProcessState(**role) for role in fields["roles"]),
                "servers": tuple(ProcessState(**server) for server in fields["servers"]),
            }
        )


class DataDir:
    """A folder for everything that a system on one machine keeps."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self._state = self.path / "state.json"
        self._lock = self.path / "lock"

    def owner(self) -> ProcessRef | None:
        """Return the process that owns the folder, or was the last to do so."""
        try:
            return ProcessRef(**json.loads(self._lock.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def read_state(self) -> SystemState | None:
        """Return what was noted last; None when nothing ever ran here."""
        try:
            return SystemState.from_dict(json.loads(self._state.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise CrowdwatchError(f"{self._state} cannot be read: {error}") from error

    def write_state(self, state: SystemState) -> None:
        """Note what runs; readers see the old or the new state, whole. For its owner only: URLs hold passwords."""
        write_private(self._state, json.dumps(asdict(state), indent=2))

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Own the folder, and yield the lock's file descriptor. What a killed owner left running is ended first.

        Nobody else can read what the folder holds: pictures, logs and passwords.

        The guard of a system holds the same lock, so that after a `kill -9` of the owner this waits for the guard.

        Raises:
            CrowdwatchError: another system runs in it.
        """
        make_private(self.path)
        self.logs.mkdir(exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(ProcessRef.of(os.getpid()))).encode(), 0)
            self._end_leftovers()
            yield descriptor
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        deadline = time.monotonic() + _GUARD_TIMEOUT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                owner = self.owner()
                if owner is not None and owner.running:
                    raise CrowdwatchError(
                        f"{self.path} is in use by a running Crowdwatch (process {owner.pid}): "
                        f"stop it with `crowdwatch down --data-dir {self.path}`, or choose another --data-dir"
                    ) from error
                if time.monotonic() > deadline:
                    raise CrowdwatchError(f"{self.path} is still locked by an earlier Crowdwatch") from error
                time.sleep(0.1)

    def _end_leftovers(self) -> None:
        """Kill what the state names and still runs: owner and guard were both killed."""
        with contextlib.suppress(CrowdwatchError):
            state = self.read_state()
            for process in (*state.roles, *state.servers) if state else ():
                if process.ref.running:
                    kill_group(process.pid)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)


def with_running_servers(settings: Settings, data_dir: DataDir) -> Settings:
    """Return settings that lead to the servers of the system that runs in `data_dir`, if one does.

    An address that was given stays as it is.
    """
    state = data_dir.read_state()
    if state is None or not state.supervisor.running:
        return settings
    return reaching(settings, state)


def reaching(settings: Settings, state: SystemState) -> Settings:
    """Return settings that lead to the servers of a system; an address that was given stays as it is."""
    given = settings.model_fields_set
    addresses: dict[str, Any] = {name: getattr(state, name) for name in SERVER_ADDRESSES if name not in given}
    if "kafka_bootstrap_servers" not in given:
        addresses |= state.kafka_sign_in
    return settings.model_copy(update=addresses)


@contextmanager
def stored_here(data_dir: DataDir) -> Iterator[Settings]:
    """Yield settings that lead to MongoDB as `with_running_servers` does, for a command that needs nothing else.

    Raises:
        UnavailableError: MongoDB does not answer; where none was named and nothing runs, it tells what would help.
    """
    settings = with_running_servers(Settings.from_environment(), data_dir)
    try:
        yield settings
    except UnavailableError as error:
        if "mongodb_uri" in settings.model_fields_set:
            raise
        raise UnavailableError(
            f"{error}; nothing runs in {data_dir.path}: start it with `crowdwatch up` (`make run`), "
            "or say where it is: --data-dir for a system on this machine, MONGODB_URI for a MongoDB elsewhere"
        ) from error
