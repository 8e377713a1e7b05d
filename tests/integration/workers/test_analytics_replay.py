"""Stored results analysed again give what live gave, or what other zones would have."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest

from contracts.cameras import Camera
from contracts.faces import FacesRecord
from contracts.offsets import SourceOffset
from contracts.times import to_rfc3339
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect
from storage.history import History
from storage.results import Results
from tests.integration.workers.test_analytics import DOOR, HALL, ago, walkers
from workers.analytics.camera_run import CameraRun
from workers.analytics.replay import replay

START = ago(4000)


@pytest.fixture
def records(settings: Settings) -> Any:
    records = [FacesRecord.decode(value) for value in walkers("gate-1", 90, START)]
    client = connect(settings)
    Results(client, settings).replace_many(records)
    Cameras(client, settings).put(Camera.from_dict({"camera_id": "gate-1", "zones": [HALL], "lines": [DOOR]}))
    yield records
    client.drop_database(settings.mongodb_database)
    client.close()


def run(settings: Settings, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops", "replay", "--camera", "gate-1"]
    period = ["--from", to_rfc3339(START), "--to", to_rfc3339(START + timedelta(seconds=90))]
    environment = settings.to_environment() | {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    return subprocess.run([*command, *period, *options], capture_output=True, text=True, env=environment, timeout=60)


def test_a_replay_finds_what_live_found(records: list[FacesRecord], settings: Settings, tmp_path: Path) -> None:
    live = CameraRun("gate-1", Camera.from_dict({"camera_id": "gate-1", "zones": [HALL], "lines": [DOOR]}), settings)
    for record in records:
        live.take(record, record.captured_at.timestamp() + 1)
    live.finish()
    found = json.loads(run(settings, "--json").stdout)
    assert found["results"] == len(records)
    assert [event["event_id"] for event in found["events"]] == [event.event_id for event in live.outputs.events]
    other = tmp_path / "zones.json"
    other.write_text(json.dumps({"lines": [{**DOOR, "name": "gate", "from": [0.5, 1], "to": [0.5, 0]}], "zones": []}))
    changed = json.loads(run(settings, "--json", "--zones", str(other)).stdout)
    crossed = [(event["line"], event["direction"]) for event in changed["events"]]
    assert crossed == [("gate", "out"), ("gate", "in")]
    table = run(settings)
    assert "line_crossed in" in table.stdout, table.stderr
    other.write_text("[]")
    assert run(settings, "--zones", str(other)).returncode == 1
    backwards = run(settings, "--to", to_rfc3339(START))
    assert backwards.returncode == 2 and "is not after --from" in backwards.stderr
    nothing = run(settings, "--camera", "gate-2")
    assert nothing.returncode == 1 and "no result of gate-2 is stored" in nothing.stderr
    with pymongo.MongoClient(settings.mongodb_uri) as client:
        names = set(client[settings.mongodb_database].list_collection_names())
    assert names == {"DetectedFaces", "cameras"}, "nothing else was written"


def test_results_of_the_same_moment_are_replayed_in_the_order_of_the_log(settings: Settings) -> None:
    first = FacesRecord.decode(next(walkers("gate-1", 1, START)))
    client = connect(settings)
    records = [replace(first, frame_id=number, source=SourceOffset("frames", 0, number)) for number in range(8, 12)]
    Results(client, settings).replace_many(records)
    history = History(client, settings, "gate-1", START, START + timedelta(seconds=1))
    assert [one.source.offset for one in history.results()] == [8, 9, 10, 11], "not as texts are sorted"
    client.drop_database(settings.mongodb_database)
    client.close()


def test_a_replay_of_nothing_says_so(settings: Settings) -> None:
    assert replay([], Camera("x"), settings).summary() == [("attendance", "whole picture", "0 (0 to 0)")]
