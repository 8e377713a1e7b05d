import os

import pytest

from contracts.errors import UnavailableError
from ops.datadir import DataDir, ProcessRef, SystemState, stored_here, with_running_servers
from settings import Settings


def _note(folder, owner):
    data_dir = DataDir(folder)
    data_dir.write_state(
        SystemState(
            supervisor=owner,
            kafka_bootstrap_servers="127.0.0.1:5001",
            redis_url="redis://127.0.0.1:5002/0",
            mongodb_uri="mongodb://127.0.0.1:5003",
            web_url="http://127.0.0.1:8000",
            flower_url="http://127.0.0.1:5555",
            roles=(),
            servers=(),
        )
    )
    return data_dir


def test_a_command_finds_the_system_that_runs_here(tmp_path):
    data_dir = _note(tmp_path, ProcessRef.of(os.getpid()))
    settings = with_running_servers(Settings(redis_url="redis://elsewhere"), data_dir)
    assert settings.kafka_bootstrap_servers == "127.0.0.1:5001"
    assert settings.redis_url == "redis://elsewhere", "what was given stays"


def test_a_system_that_is_gone_is_not_followed(tmp_path):
    assert with_running_servers(Settings(), DataDir(tmp_path / "never")) == Settings()
    data_dir = _note(tmp_path, ProcessRef(os.getpid(), create_time=1.0))
    assert with_running_servers(Settings(), data_dir) == Settings()


def test_where_nothing_runs_one_is_told_how_to_come_by_mongodb(tmp_path, monkeypatch):
    monkeypatch.delenv("MONGODB_URI", raising=False)
    folder = DataDir(tmp_path / "never")
    with pytest.raises(UnavailableError, match=rf"^refused; .*{folder.path}.*crowdwatch up.*MONGODB_URI"):
        with stored_here(folder):
            raise UnavailableError("refused")


@pytest.mark.parametrize("given", [True, False])
def test_an_address_that_is_known_needs_no_hint(tmp_path, monkeypatch, given):
    monkeypatch.delenv("MONGODB_URI", raising=False)
    if given:
        monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1")
    folder = DataDir(tmp_path / "never") if given else _note(tmp_path, ProcessRef.of(os.getpid()))
    with pytest.raises(UnavailableError, match=r"^refused$"), stored_here(folder) as settings:
        assert settings.mongodb_uri == ("mongodb://127.0.0.1:1" if given else "mongodb://127.0.0.1:5003")
        raise UnavailableError("refused")
