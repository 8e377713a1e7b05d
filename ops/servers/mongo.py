"""MongoDB on this machine: one standalone server with its journal, on loopback only."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ops.process import ProcessSpec
from settings import Settings

_PROBE_TIMEOUT_S = 2.0


def mongo_server(
    settings: Settings, folder: Path, mongod: Path, port: int, environment: Mapping[str, str], more: Sequence[str] = ()
) -> ProcessSpec:
    """Return how MongoDB is started with its data in `folder`, and with `more` arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    return ProcessSpec(
        name="mongo",
        command=(
            str(mongod),
            "--dbpath",
            str(folder),
            "--bind_ip",
            "127.0.0.1",
            "--port",
            str(port),
            "--nounixsocket",
            "--wiredTigerCacheSizeGB",
            "0.5",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
            *more,
        ),
        probe=partial(probe_mongo, settings),
        environment=environment,
    )


def probe_mongo(settings: Settings) -> None:
    """Ask whether the server answers.

    Raises:
        UnavailableError: it does not.
    """
    from storage.client import ping_mongodb  # imported while the server starts

    ping_mongodb(settings, _PROBE_TIMEOUT_S)
