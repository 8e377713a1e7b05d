"""The local servers: they answer, listen on loopback alone, come back when they die, and find their data again."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from contracts.errors import UnavailableError
from contracts.frames import FrameHeaders
from contracts.offsets import OffsetRange
from messaging.admin import ensure_topics
from messaging.producer import Producer
from messaging.reader import LogReader
from ops.servers.local import plain_environment, plan_servers
from ops.supervisor import Supervisor
from settings import Settings
from storage.client import connect, database

TIMEOUT_S = 120


@contextmanager
def running(data_dir: Path) -> Iterator[tuple[Settings, Supervisor]]:
    """Start servers of our own, whatever the environment names."""
    local = plan_servers(Settings(partitions=1), data_dir, lambda done, total: None, plain_environment(Settings()))
    supervisor = Supervisor((local.specs,), data_dir / "logs", lambda process, what: None)
    supervisor.start()
    try:
        supervisor.wait_ready(TIMEOUT_S)
        yield local.settings, supervisor
    finally:
        supervisor.stop()


def write(settings: Settings, picture: bytes) -> None:
    """Put a picture into Kafka and its text into MongoDB."""
    ensure_topics(settings)
    producer = Producer(settings)
    producer.start()
    producer.send_frame(settings.topic_frames, "gate", picture, FrameHeaders()).result(30)
    producer.close()
    with connect(settings) as client:
        database(client, settings)["pictures"].insert_one({"text": picture.decode()})


def read(settings: Settings, count: int) -> tuple[list[str], list[str]]:
    """Return the first pictures in Kafka, and the texts in MongoDB."""
    reader = LogReader(settings)
    reader.start()
    records = reader.read_range(settings.topic_frames, 0, OffsetRange(0, count)).records
    reader.close()
    with connect(settings) as client:
        found = [document["text"] for document in database(client, settings)["pictures"].find()]
    return [(record.value or b"").decode() for record in records], found


def listening(supervisor: Supervisor) -> dict[str, set[str]]:
    """The addresses on which the servers and everything they started listen."""
    return {
        one.spec.name: {
            connection.laddr.ip
            for process in (psutil.Process(one.pid), *psutil.Process(one.pid).children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        for one in supervisor.all
    }


@pytest.mark.slow
def test_data_survives_kill_and_restart_and_nothing_listens_beyond_loopback(tmp_path: Path) -> None:
    with running(tmp_path) as (settings, supervisor):
        addresses = listening(supervisor)
        assert set(addresses) == {"kafka", "redis", "mongo"}
        assert all(addresses.values())
        assert all(ipaddress.ip_address(ip).is_loopback for ips in addresses.values() for ip in ips)

        write(settings, b"one")
        for one in supervisor.all:
            assert one.process is not None
            one.process.kill()
        supervisor.run(lambda: all(one.deaths for one in supervisor.all))
        supervisor.wait_ready(TIMEOUT_S)
        assert read(settings, 1) == (["one"], ["one"])
        write(settings, b"two")
        before = settings

    with running(tmp_path) as (settings, _):
        assert settings.kafka_bootstrap_servers != before.kafka_bootstrap_servers
        assert read(settings, 2) == (["one", "two"], ["one", "two"])


def test_servers_that_are_given_are_used_and_not_started(servers: Settings, tmp_path: Path) -> None:
    given = {name: getattr(servers, name) for name in ("kafka_bootstrap_servers", "redis_url", "mongodb_uri")}
    local = plan_servers(Settings(**given), tmp_path, lambda done, total: None, {})
    assert local.specs == ()
    assert {name: getattr(local.settings, name) for name in given} == given


def test_a_server_that_is_given_and_does_not_answer_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="Redis"):
        plan_servers(Settings(redis_url="redis://127.0.0.1:1/0"), tmp_path, lambda done, total: None, {})
