import os

from ops.datadir import DataDir, ProcessRef, SystemState, with_running_servers
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
