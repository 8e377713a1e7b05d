"""What `crowdwatch doctor` says of real servers, and of those that are not there."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from messaging.admin import ensure_topics, partition_counts
from ops.commands.doctor import command
from ops.server_checks import clock_finding, topics_findings
from settings import Settings


def test_topics_are_held_against_the_settings(settings: Settings) -> None:
    assert [level for level, _ in topics_findings(settings)] == ["warning"], "not made yet"
    ensure_topics(settings)
    assert topics_findings(settings) == [
        ("ok", f"{settings.topic_frames}, {settings.topic_uploads}, {settings.topic_faces} have 4 partitions each")
    ]
    assert partition_counts(settings)[settings.topic_dead] == 1
    told = topics_findings(settings.model_copy(update={"partitions": 8, "frames_retention_hours": 48}))
    assert {level for level, _ in told} == {"warning"}
    [frames] = [line for _, line in told if line.startswith(f"{settings.topic_frames}:")]
    assert "partitions is 4, the settings say 8" in frames
    assert "retention.ms is 86400000, the settings say 172800000" in frames
    level, line = topics_findings(settings.model_copy(update={"topic_faces": settings.topic_dead}))[0]
    assert (level, "same number of partitions" in line) == ("problem", True)
    assert f"{settings.topic_frames} has 4" in line and f"{settings.topic_dead} has 1" in line


def test_the_clock_is_held_against_that_of_mongodb(settings: Settings) -> None:
    assert clock_finding(settings) == ("ok", "agrees with MongoDB's")


def test_servers_that_do_not_answer_are_problems_with_advice(settings: Settings) -> None:
    nowhere = settings.model_copy(
        update={"kafka_bootstrap_servers": "127.0.0.1:9", "mongodb_uri": "mongodb://127.0.0.1:9"}
    )
    [(level, told)] = topics_findings(nowhere)
    assert (level, "KAFKA_BOOTSTRAP_SERVERS" in told) == ("problem", True)
    level, told = clock_finding(nowhere)
    assert (level, "MONGODB_URI" in told) == ("problem", True)


def test_the_command_looks_at_servers_that_are_given(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ensure_topics(settings)
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(command, ["--json", "--data-dir", str(tmp_path)])
    assert said.exit_code == 0, said.output
    levels = {check["check"]: check["level"] for check in json.loads(said.output)["checks"]}
    assert {levels[name] for name in ("kafka", "redis", "mongo", "topics", "clock", "gpu", "model")} == {"ok"}
