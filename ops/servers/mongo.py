"""MongoDB on this machine: one standalone server with its journal, on loopback only."""

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from contracts.errors import CrowdwatchError, UnavailableError
from ops.private_files import write_private
from ops.process import ProcessSpec
from settings import Settings

USER = "crowdwatch"
WITH_SIGN_IN = ("--auth", "--setParameter", "enableLocalhostAuthBypass=0")
"""Arguments by which MongoDB lets nobody in without a password, not even to make the first user."""

_PROBE_TIMEOUT_S = 2.0
_START_S = 60.0
_USER_MADE = "user-made"


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


def ensure_user(settings: Settings, folder: Path, mongod: Path, password: str, environment: Mapping[str, str]) -> None:
    """Make the one user of a MongoDB whose data are in `folder`, unless that was done before.

    For that it runs for a moment without sign-in, and listens on nothing but a socket in a folder of its own, which
    only this user of the machine can enter.

    Raises:
        CrowdwatchError: it did not start, or refused the user; the message ends with what it said.
    """
    from storage.client import connect, put_user

    made = folder / _USER_MADE
    if made.exists() and made.read_text("utf-8") == password:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="crowdwatch-") as home:  # a socket's path has 107 characters at most
        socket, log = Path(home, "mongod.sock"), Path(home, "log")
        listens = ("--bind_ip", str(socket), "--unixSocketPrefix", home)
        command = [str(mongod), "--dbpath", str(folder), *listens, "--logpath", str(log)]
        process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL)
        uri = f"mongodb://{quote(str(socket), safe='')}"
        try:
            with connect(settings.model_copy(update={"mongodb_uri": uri})) as client:
                deadline = time.monotonic() + _START_S
                while True:
                    try:
                        put_user(client, USER, password)
                        break
                    except UnavailableError as error:  # it takes a while to start
                        if process.poll() is None and time.monotonic() < deadline:
                            continue
                        said = log.read_text("utf-8", "replace")[-2000:] if log.exists() else ""
                        raise CrowdwatchError(f"MongoDB in {folder} cannot be given a user: {error}\n{said}") from error
        finally:
            process.terminate()
            process.wait()
    write_private(made, password)
