"""The connection to MongoDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.database import Database
from pymongo.errors import PyMongoError

from contracts.errors import UnavailableError
from settings import Settings

Document = dict[str, Any]
Connection = MongoClient[Document]


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
    )


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
        with mongo_errors("MongoDB does not answer"):
            client.admin.command("ping")
    finally:
        client.close()


def server_time(settings: Settings, timeout_s: float = 5.0) -> datetime:
    """Return the time by MongoDB's clock.

    Raises:
        UnavailableError: it does not answer in time.
    """
    client = connect(settings, timeout_s)
    try:
        with mongo_errors("MongoDB does not answer"):
            told: datetime = client.admin.command("hello")["localTime"]
    finally:
        client.close()
    return told if told.tzinfo is not None else told.replace(tzinfo=timezone.utc)


@contextmanager
def mongo_errors(what: str) -> Iterator[None]:
    """Turn what pymongo raises into an `UnavailableError` that starts with `what`."""
    try:
        yield
    except PyMongoError as error:
        raise UnavailableError(f"{what}: {type(error).__name__}: {str(error)[:300]}") from error
