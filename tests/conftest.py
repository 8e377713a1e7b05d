"""Fixtures of every test: real servers, started once a session, and settings of its own for each test."""

import fcntl
import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest
import redis

from ops.servers.local import plain_environment, plan_servers
from ops.supervisor import Supervisor
from settings import Settings

READY_TIMEOUT_S = 120
LEAK_GRACE_S = 5
SESSION = f"test-{uuid.uuid4().hex[:8]}"
TESTS = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make cases`."""
    parser.addoption("--cases", type=int, default=300, help="Requests made up from the description of the interface.")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, keep those of a file in one, and the browser's: they share a system.

    `make test` has two, as most tests wait for servers; each process starts servers of its own.
    """
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("browser" if "/browser/" in file else file))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what a test that passed wants known: it calls `record_property("notice", …)`."""
    for report in terminalreporter.stats.get("passed", ()):
        for name, text in report.user_properties:
            if name == "notice":
                terminalreporter.write_line(f"NOTICE {report.nodeid}: {text}", yellow=True)


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> int:
    """How many requests are made up."""
    number: int = request.config.getoption("--cases")
    return number


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail when a thread or a child process outlives the tests."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + LEAK_GRACE_S
    while True:
        threads = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
        children = [child for child in psutil.Process().children(recursive=True) if is_running(child)]
        if not threads and not children:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind by the tests: {threads} {children}")
        time.sleep(0.1)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Settings]:
    """Settings that lead to real Kafka, Redis and MongoDB: those of the environment, else started here."""
    settings = Settings.from_environment()
    data_dir = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        with (tmp_path_factory.getbasetemp().parent / "servers.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one process after the other: they fetch the same files, and choose ports
            local = plan_servers(settings, data_dir, lambda done, total: None, plain_environment(settings))
            supervisor = Supervisor((local.specs,), data_dir / "logs", lambda process, what: None)
            stack.callback(supervisor.stop)
            supervisor.start()
            supervisor.wait_ready(READY_TIMEOUT_S)
        forgive_unclosed_sockets(pytestconfig, local.settings.kafka_bootstrap_servers)
        yield local.settings


def forgive_unclosed_sockets(config: pytest.Config, brokers: str) -> None:
    """Accept, from the next test on, that sockets to these brokers (host:port, …) are left to the collector.

    kafka-python does so with a connection that is being opened, or has bytes to flush, when its client is closed.
    """
    for broker in brokers.split(","):
        port = broker.rpartition(":")[2]
        config.addinivalue_line("filterwarnings", rf"ignore:unclosed <.* raddr=\('.*', {port}\b:ResourceWarning")


@pytest.fixture
def settings(servers: Settings) -> Settings:
    """Settings for one test alone: topics, a MongoDB database and an emptied Redis database of its own."""
    number = next(TESTS)
    name = f"{SESSION}-{number}"
    address, _, _ = servers.redis_url.rpartition("/")
    redis_url = f"{address}/{1 + number % 15}"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    topics = {
        field: f"{name}-{getattr(servers, field)}" for field in Settings.model_fields if field.startswith("topic_")
    }
    return servers.model_copy(
        update={
            **topics,
            "group_prefix": name,
            "send_topics": (topics["topic_chat"],),
            "redis_url": redis_url,
            "mongodb_database": name,
            "health_port": 0,
            "web_port": 0,
            "auth": "off",
        }
    )


def is_running(process: psutil.Process) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
