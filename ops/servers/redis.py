"""Redis on this machine: in memory, on loopback only."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from ops.private_files import write_private
from ops.process import ProcessSpec
from settings import Settings

USER = "crowdwatch"
_PROBE_TIMEOUT_S = 2.0
_RIGHTS = (
    "~* &* +@all -@admin -@dangerous -@scripting +info +keys +flushdb +flushall "
    "+evalsha +script|load +script|exists"  # Celery frees its locks by a script
)
"""No command that loads code, changes where files are written, or ends the server."""


def redis_server(
    settings: Settings,
    folder: Path,
    program: Path,
    port: int,
    environment: Mapping[str, str],
    more: Mapping[str, str] = MappingProxyType({}),
) -> ProcessSpec:
    """Return how Redis is started. It saves nothing: tasks name places in the log and are made again from it.

    `more` has further options of Redis, which go before ours.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",  # an evicted queue would be lost tasks
        **more,
    }
    return ProcessSpec(
        name="redis",
        command=(str(program), *(part for name, value in options.items() for part in (f"--{name}", value))),
        probe=partial(probe_redis, settings),
        environment=environment,
    )


def write_users(file: Path, password: str) -> None:
    """Write Redis' list of users: ours, and nobody without a password."""
    write_private(file, f"user default off\nuser {USER} on >{password} {_RIGHTS}\n")


def probe_redis(settings: Settings) -> None:
    """Ask whether the server answers.

    Raises:
        UnavailableError: it does not.
    """
    from messaging.tasks import ping_redis  # imported while the server starts

    ping_redis(settings, _PROBE_TIMEOUT_S)
