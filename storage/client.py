"""The connection to MongoDB."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pymongo import MongoClient, WriteConcern
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from contracts.errors import UnavailableError
from settings import Settings

Document = dict[str, Any]
Connection = MongoClient[Document]

_AUTHENTICATION_FAILED = 18


def connect(settings: Settings, timeout_s: float = 5.0) -> "MongoClient[Document]":
    """Return a client that gives up on a server that does not answer after `timeout_s`. It connects when first used."""
    timeout_ms = int(timeout_s * 1000)
    return MongoClient(
        settings.mongodb_uri,
        tz_aware=True,
        appname="crowdwatch",
        connect=False,
        serverSelectionTimeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        socketTimeoutMS=max(timeout_ms, 30_000),
        **_tls(settings),
    )


def _tls(settings: Settings) -> dict[str, Any]:
    """Return the options of TLS that the address leaves open; none where it does not ask for TLS."""
    address = urlsplit(settings.mongodb_uri)
    said = {name.lower(): values[-1] for name, values in parse_qs(address.query).items()}
    if said.get("tls", said.get("ssl", "true" if address.scheme == "mongodb+srv" else "false")).lower() != "true":
        return {}
    files = {"tlsCAFile": settings.tls_ca_file, "tlsCertificateKeyFile": settings.tls_certificate_file}
    return {name: str(path) for name, path in files.items() if path is not None and name.lower() not in said}


def database(client: "MongoClient[Document]", settings: Settings) -> "Database[Document]":
    """Return the project's database; what is written there is journalled by a majority before the call returns."""
    return client.get_database(settings.mongodb_database, write_concern=WriteConcern(w="majority", j=True))


def ping_mongodb(settings: Settings, timeout_s: float = 5.0) -> None:
    """Ask MongoDB for a sign of life.

    Raises:
        UnavailableError: it does not answer in time.
    """
    client = connect(settings, timeout_s)
    try:
        with mongo_errors(f"MongoDB at {_address(settings)} does not answer"):
            client.admin.command("ping")
    finally:
        client.close()


def put_user(client: "MongoClient[Document]", name: str, password: str) -> None:
    """Make a user who reads, writes and administers every database, and sees how the server fares; nothing else.

    Raises:
        UnavailableError: MongoDB does not answer, or refuses.
    """
    rights = ["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"]
    with mongo_errors("cannot make the user of MongoDB"):
        known = client.admin.command("usersInfo", name)["users"]
        client.admin.command("updateUser" if known else "createUser", name, pwd=password, roles=rights)


def server_time(settings: Settings, timeout_s: float = 5.0) -> datetime:
    """Return the time by MongoDB's clock.

    Raises:
        UnavailableError: it does not answer in time.
    """
    client = connect(settings, timeout_s)
    try:
        with mongo_errors(f"MongoDB at {_address(settings)} does not answer"):
            told: datetime = client.admin.command("hello")["localTime"]
    finally:
        client.close()
    return told if told.tzinfo is not None else told.replace(tzinfo=timezone.utc)


def _address(settings: Settings) -> str:
    """Where MongoDB is, without what is needed to sign in."""
    return urlsplit(settings.mongodb_uri).netloc.rpartition("@")[2]


@contextmanager
def mongo_errors(what: str) -> Iterator[None]:
    """Turn what pymongo raises into an `UnavailableError` that starts with `what`."""
    try:
        yield
    except PyMongoError as error:
        raise UnavailableError(f"{what}: {_explain(error)}") from error


def _explain(error: PyMongoError) -> str:
    """Say in one line what went wrong, without pymongo's description of the topology."""
    if isinstance(error, OperationFailure) and error.code == _AUTHENTICATION_FAILED:
        return "the sign-in in MONGODB_URI is refused: Authentication failed"
    said = re.sub(r" \(configured timeouts: [^)]*\)|, Timeout: [\d.]+s, Topology Description: .*", "", str(error))[:300]
    hint = ""
    if "CERTIFICATE_VERIFY_FAILED" in said:
        hint = "; CROWDWATCH_TLS_CA_FILE names those who may vouch for it"
    elif "connection closed" in said or "SSL" in said:
        hint = (
            "; does it speak TLS (tls=true in MONGODB_URI), "
            "and ask for a certificate (CROWDWATCH_TLS_CERTIFICATE_FILE)?"
        )
    return f"{type(error).__name__}: {said}{hint}"
