"""`crowdwatch topics` against a real broker: what differs is listed, and set."""

import json

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient

from messaging.admin import ensure_topics, partition_counts
from messaging.topics import apply_topics, examine_topics
from ops.commands.topics import command
from settings import Settings


def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: object, *arguments: str) -> str:
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(command, [*arguments, "--data-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    return done.output


def test_what_differs_is_listed_and_set(settings, monkeypatch, tmp_path):
    ensure_topics(settings)
    assert not any(state.differences for state in examine_topics(settings)), "new topics are as the settings want them"
    changed = settings.model_copy(
        update={"frames_retention_hours": 1, "frames_retention_mib": 7, "max_picture_bytes": 2_000_000}
    )
    listed = {entry["topic"]: entry for entry in json.loads(run(changed, monkeypatch, tmp_path, "list", "--json"))}
    assert listed[settings.topic_frames]["differences"]["retention.ms"] == {"found": "86400000", "wanted": "3600000"}
    assert {"retention.bytes", "max.message.bytes"} < listed[settings.topic_uploads]["differences"].keys()
    assert listed[settings.topic_faces]["differences"].keys() == {"max.message.bytes"}
    assert "would change" in run(changed, monkeypatch, tmp_path, "apply", "--dry-run")
    assert any(state.differences for state in examine_topics(changed)), "a dry run changes nothing"
    assert f"changed {settings.topic_frames}: " in run(changed, monkeypatch, tmp_path, "apply")
    assert not any(state.differences for state in examine_topics(changed))
    assert "as the settings want" in run(changed, monkeypatch, tmp_path, "apply")
    assert settings.topic_media in run(changed, monkeypatch, tmp_path, "list")


def test_old_topics_get_the_time_of_the_broker(settings):
    names = {"topic_frames": settings.topic_frames}
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    try:
        admin.create_topics({settings.topic_frames: {"num_partitions": 4, "replication_factor": 1}})
    finally:
        admin.close()
    [before] = [state for state in apply_topics(settings) if state.wanted.name == names["topic_frames"]]
    assert before.differences["message.timestamp.type"] == ("CreateTime", "LogAppendTime")
    states = examine_topics(settings)
    assert all(state.exists and not state.differences for state in states), "the missing topics are made, too"


def test_partitions_that_do_not_match_are_raised_to_the_largest_number(settings):
    ensure_topics(settings)
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    try:
        admin.create_partitions({settings.topic_frames: 6})
    finally:
        admin.close()
    apply_topics(settings)
    ensure_topics(settings)
    counts = partition_counts(settings)
    assert {counts[name] for name in (settings.topic_frames, settings.topic_uploads, settings.topic_faces)} == {6}
    assert counts[settings.topic_events] == 4, "only those that belong together are raised"
    apply_topics(settings.model_copy(update={"partitions": 2}))
    assert partition_counts(settings) == counts, "partitions are never taken away"
