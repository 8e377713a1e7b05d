"""What a local user may do to the servers that `crowdwatch up` starts: nothing without the password in the owner's
file, and with Redis' password nothing that runs code or writes files."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from pymongo.errors import OperationFailure

from contracts.errors import UnavailableError
from messaging.admin import ping_kafka
from ops.servers.local import plain_environment, plan_servers
from ops.supervisor import Supervisor
from settings import Settings
from storage.client import connect
from tests.conftest import forgive_unclosed_sockets

READY_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def local(data_dir: Path, pytestconfig: pytest.Config) -> Iterator[Settings]:
    """The servers as `crowdwatch up` starts them, with a sign-in at Kafka too."""
    asked = Settings(kafka_security_protocol="SASL_PLAINTEXT", kafka_username="crowdwatch", kafka_password="secret-1")
    planned = plan_servers(asked, data_dir, lambda done, total: None, plain_environment(Settings()))
    supervisor = Supervisor((planned.specs,), data_dir / "logs", lambda process, what: None)
    supervisor.start()
    try:
        supervisor.wait_ready(READY_TIMEOUT_S)
        forgive_unclosed_sockets(pytestconfig, planned.settings.kafka_bootstrap_servers)
        yield planned.settings
    finally:
        supervisor.stop()


def anonymous(url: str) -> str:
    """An address without its user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def test_nobody_gets_into_redis_without_the_password(local: Settings) -> None:
    with redis.Redis.from_url(anonymous(local.redis_url)) as client, pytest.raises(redis.AuthenticationError):
        client.lpush("detect", "{}")


@pytest.mark.parametrize(
    "command",
    [
        ("MODULE", "LOAD", "/tmp/evil.so"),
        ("CONFIG", "SET", "dir", "/tmp"),
        ("CONFIG", "GET", "*"),
        ("DEBUG", "SLEEP", "0"),
        ("EVAL", "return 1", "0"),
        ("SCRIPT", "FLUSH"),
        ("SCRIPT", "DEBUG", "YES"),
        ("ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all"),
        ("SAVE",),
        ("BGSAVE",),
        ("BGREWRITEAOF",),
        ("SHUTDOWN", "NOSAVE"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("MIGRATE", "127.0.0.1", "1", "key", "0", "1"),
        ("MONITOR",),
    ],
    ids=" ".join,
)
def test_the_password_of_redis_runs_no_code_and_writes_no_file(local: Settings, command: tuple[str, ...]) -> None:
    with redis.Redis.from_url(local.redis_url) as client:
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
        assert client.ping()


def test_celery_can_lock_and_tasks_can_be_queued(local: Settings) -> None:
    with redis.Redis.from_url(local.redis_url) as client:
        with client.lock("of kombu", timeout=5):
            assert client.lpush("queue", "task") == 1
        client.flushdb()


def test_nobody_gets_into_mongodb_without_the_password(local: Settings) -> None:
    nobody = local.model_copy(update={"mongodb_uri": anonymous(local.mongodb_uri)})
    with connect(nobody) as client:
        for attack in (
            lambda: client[local.mongodb_database]["sessions"].insert_one({"_id": "my own link"}),
            lambda: client[local.mongodb_database]["users"].find_one(),
            lambda: client.list_database_names(),
            lambda: client.admin.command("createUser", "me", pwd="me", roles=["root"]),
        ):
            with pytest.raises(OperationFailure, match=r"[Aa]uthentication|authorized"):
                attack()


def test_the_user_of_mongodb_stores_results_and_makes_no_users(local: Settings) -> None:
    with connect(local) as client:
        client[local.mongodb_database]["results"].insert_one({"_id": 1})
        with pytest.raises(OperationFailure, match="not authorized"):
            client.admin.command("createUser", "me", pwd="me", roles=["root"])
        with pytest.raises(OperationFailure, match="not authorized"):
            client.admin.command("shutdown")


def test_kafka_asks_for_the_password_where_the_setting_says_so(local: Settings) -> None:
    ping_kafka(local)
    for sign_in in ({"kafka_security_protocol": "PLAINTEXT"}, {"kafka_password": "guessed"}):
        with pytest.raises(UnavailableError):
            ping_kafka(local.model_copy(update=sign_in), 3.0)


def test_passwords_are_in_files_of_the_owner_alone(local: Settings, data_dir: Path) -> None:
    for url in (local.redis_url, local.mongodb_uri):
        password = urlsplit(url).password
        assert password is not None and len(password) >= 24
        holders = [path for path in data_dir.iterdir() if path.is_file() and password in path.read_text("utf-8")]
        assert holders
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in holders)
    commands = [Path("/proc", pid, "cmdline") for pid in os.listdir("/proc") if pid.isdigit()]
    for command in commands:
        try:
            shown = command.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        assert not any((urlsplit(url).password or "") in shown for url in (local.redis_url, local.mongodb_uri)), shown
