"""What is planned before anything runs: ports, addresses, environments, and the jars of the lock file."""

import os
import socket
from collections.abc import Iterator

import pytest

from contracts.errors import ConfigurationError
from ops.ports import free_ports, is_free
from ops.roles import python_environment, readiness_url, web_url
from ops.servers.jars import locked_jars
from ops.servers.local import external_servers, plain_environment
from ops.system import choose_web_port
from settings import Settings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def refuse(wanted: int, used: int) -> None:
    pytest.fail(f"{wanted} was not to be replaced by {used}")


def test_free_ports_are_distinct_free_and_not_given_to_outgoing_connections() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(is_free(port) and port < 32768 for port in ports)


def test_a_port_in_use_is_not_free(taken: int) -> None:
    assert not is_free(taken)


def test_a_free_port_that_was_asked_for_is_taken() -> None:
    (port,) = free_ports(1)
    assert choose_web_port(Settings(), port, refuse).web_port == port
    assert choose_web_port(Settings(web_port=port), None, refuse).web_port == port


def test_a_port_that_was_asked_for_and_is_in_use_is_an_error(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=f"port {taken} is in use"):
        choose_web_port(Settings(), taken, refuse)
    with pytest.raises(ConfigurationError, match=f"port {taken} is in use"):
        choose_web_port(Settings(web_port=taken), None, refuse)


def test_the_default_port_gives_way(taken: int) -> None:
    told: list[tuple[int, int]] = []
    settings = Settings().model_copy(update={"web_port": taken})
    settings = Settings.model_construct(_fields_set=set(), **settings.model_dump())  # as if it were the default
    chosen = choose_web_port(settings, None, lambda wanted, used: told.append((wanted, used)))
    assert told == [(taken, chosen.web_port)]
    assert is_free(chosen.web_port)


def test_port_0_is_any_free_one() -> None:
    assert choose_web_port(Settings(), 0, refuse).web_port > 0


def test_servers_whose_address_is_given_are_external_even_when_it_is_the_default() -> None:
    assert external_servers(Settings()) == []
    given = Settings.from_environment({"REDIS_URL": "redis://localhost:6379/0"})
    assert external_servers(given) == ["redis"]


def test_a_childs_environment_holds_the_plans_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDWATCH_WINDOW", "7")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    settings = Settings(batch_size=5)
    environment = python_environment(settings, plain_environment(settings))
    assert Settings.from_environment(environment) == settings
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["OMP_NUM_THREADS"] == "3"  # what the user says holds
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:8000"), ("localhost", "http://localhost:8000"), ("::1", "http://[::1]:8000")],
)
def test_the_address_of_the_web(host: str, url: str) -> None:
    assert web_url(Settings(web_host=host)) == url
    assert readiness_url(f"{url}/metrics") == f"{url}/readyz"


def test_the_lock_file_names_one_version_of_each_jar_and_a_binding_for_the_log() -> None:
    jars = {(jar.group, jar.artifact): jar for jar in locked_jars()}
    assert len(jars) == len(locked_jars())
    assert all(len(jar.sha256) == 64 for jar in jars.values())
    assert {jar.version for (group, _), jar in jars.items() if group == "org.apache.kafka"} == {"4.4.0"}
    assert {jar.version for (group, _), jar in jars.items() if group == "org.apache.logging.log4j"} == {"2.25.5"}
    assert ("org.apache.logging.log4j", "log4j-slf4j-impl") in jars
