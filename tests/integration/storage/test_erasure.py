"""What is deleted of a camera or a period, in a real MongoDB, and what stays."""

import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from pymongo import MongoClient

import storage
from contracts.clocks import CameraClock
from contracts.events import Alert, Event, EventKind, Severity
from contracts.faces import FacesRecord, Status
from contracts.occupancy import Heat, Occupancy, VenuePart
from contracts.offsets import SourceOffset
from ops.commands.forget import command
from settings import Settings
from storage.alerts import Alerts
from storage.camera_clocks import CameraClocks
from storage.camera_states import CameraState, CameraStates, Capturing
from storage.checkpoints import Checkpoint, Checkpoints
from storage.client import connect
from storage.erasure import COVERED, KEPT, Erasure, Selection
from storage.events import Events
from storage.heatmaps import Heatmaps
from storage.jobs import Job, Jobs
from storage.occupancy import OccupancyStore
from storage.results import Results
from storage.venues import Venues

# Not long ago, so that no retention takes part.
NOON = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
HOUR = timedelta(hours=1)
WHOLE = {
    "DetectedFaces": 4,
    "events": 4,
    "alerts": 4,
    "deliveries": 4,
    "snapshots": 4,
    "occupancy": 4,
    "occupancy_rollups": 12,
    "heatmaps": 4,
    "venues": 1,
    "checkpoints": 1,
    "camera_states": 1,
    "camera_clocks": 1,
    "jobs": 4,
}


@pytest.fixture
def client(settings: Settings) -> Iterator[MongoClient]:
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


@pytest.fixture
def erasure(client: MongoClient, settings: Settings) -> Erasure:
    """A database with the same of two cameras, for each of four hours."""
    for number, camera in enumerate(("gate", "hall")):
        _fill(client, settings, camera, number)
    return Erasure(client, settings)


def _fill(client: MongoClient, settings: Settings, camera: str, partition: int) -> None:
    base = client[settings.mongodb_database]
    occupancy = OccupancyStore(client, settings)
    occupancy.ensure_indexes()
    for hour in range(4):
        at, source = NOON + hour * HOUR, SourceOffset("frames", partition, hour)
        at_s = int(at.timestamp())
        Results(client, settings).replace_many([FacesRecord(source, camera, hour, at, at, Status.OK)])
        event = Event(EventKind.ZONE_ENTERED, camera, at, source, zone="hall", track_id=hour)
        Events(client, settings).add([event])
        alert = Alert("limit", Severity.WARNING, camera, "full", event.event_id, at)
        Alerts(client, settings).put([alert])
        base["deliveries"].insert_one({"_id": f"{alert.alert_id}/mail", "alert": alert.to_dict(), "created_at": at})
        base["snapshots"].insert_one({"camera_id": camera, "at": at, "picture": b"jpeg"})
        one = Occupancy(camera, None, at_s, 1, 3, 3, 3, 3)
        occupancy.add_seconds([one], again=False)
        day_s = int(NOON.timestamp()) // 86_400 * 86_400
        rollups = [(span, Occupancy(camera, None, start, 1, 3, 3, 3, 3), 1)
                   for span, start in (("minute", at_s), ("hour", at_s), ("day", day_s - 86_400 * hour))]  # fmt: skip
        occupancy.put_rollups(rollups)
        Heatmaps(client, settings).put([(Heat(camera, "hour", at_s, {1: 5}), 1)])
        jobs = Jobs(client, settings)
        file = jobs.store_file("crowd.mp4", io.BytesIO(b"video"))
        jobs.add(Job(f"{camera}-{hour}", camera, at, 1000 * hour, (file,), is_video=True))
    Venues(client, settings).put([(VenuePart("Arena", camera, 4, 3, int(NOON.timestamp())), 1)])
    Checkpoints(client, settings, "here").write([Checkpoint(partition, camera, 1, 4, b"state", b"outputs")])
    CameraStates(client, settings).put_many([CameraState(camera, Capturing.LIVE, NOON, NOON)])
    CameraClocks(client, settings).put([CameraClock(camera, 3.5, NOON)])
    base["checkpoints"].insert_one({"_id": f"receive/{camera}", "called_at": NOON, "positions": [], "version": 1})


def test_a_camera_goes_and_the_other_stays(erasure: Erasure, client: MongoClient, settings: Settings) -> None:
    everything = Selection("gate")
    assert erasure.count(everything) == WHOLE
    assert erasure.delete(everything) == WHOLE
    assert erasure.count(everything) == {}
    assert erasure.delete(everything) == {}, "to delete again is safe"
    assert erasure.count(Selection("hall")) == WHOLE
    base = client[settings.mongodb_database]
    assert base["uploads.files"].count_documents({}) == 4, "the files of its uploads are gone"
    assert base["uploads.chunks"].count_documents({}) == 4
    assert base["checkpoints"].count_documents({"_id": {"$regex": "^receive/"}}) == 2, "clients' places are no camera's"


def test_a_period_of_a_camera_goes(erasure: Erasure) -> None:
    period = Selection("gate", NOON + HOUR, NOON + 3 * HOUR)
    gone = erasure.delete(period)
    one_each = ("DetectedFaces", "events", "alerts", "deliveries", "snapshots", "occupancy", "heatmaps", "jobs")
    assert {name: gone[name] for name in one_each} == dict.fromkeys(one_each, 2)
    assert "venues" not in gone
    assert not {"camera_states", "camera_clocks"} & set(gone)
    assert "checkpoints" not in gone, "what the analytics know is of now"
    left = erasure.count(Selection("gate"))
    assert {name: left[name] for name in one_each} == dict.fromkeys(one_each, 2)
    assert erasure.count(period) == {}
    assert erasure.count(Selection("hall")) == WHOLE


def test_a_period_of_all_cameras_goes(erasure: Erasure) -> None:
    gone = erasure.delete(Selection(None, NOON, NOON + HOUR))
    assert gone["DetectedFaces"] == gone["occupancy"] == 2
    assert erasure.count(Selection("gate"))["occupancy"] == erasure.count(Selection("hall"))["occupancy"] == 3


def test_what_was_added_up_goes_when_the_period_reaches_into_it(erasure: Erasure) -> None:
    half = Selection("gate", NOON + HOUR / 2, NOON + HOUR / 2 + timedelta(seconds=1))
    found = erasure.count(half)
    assert found["heatmaps"] == 1
    assert found["occupancy_rollups"] == 2, "an hour and a day, but no minute"
    assert set(found) == {"heatmaps", "occupancy_rollups"}


def test_neither_camera_nor_period_is_refused() -> None:
    with pytest.raises(ValueError, match="everything"):
        Selection()
    with pytest.raises(ValueError, match="begins before"):
        Selection("gate", NOON, NOON)


def test_every_collection_is_thought_of() -> None:
    names = set()
    for file in Path(storage.__path__[0]).glob("*.py"):
        names |= set(re.findall(r'^(?:COLLECTION|SECONDS|ROLLUPS|SESSIONS|LINKS) = "(\w+)"', file.read_text(), re.M))
    assert len(names) > 10
    assert names <= COVERED | KEPT, "say in storage/erasure.py whether these hold anything of a camera"


def test_the_command_asks_deletes_and_says_what_stays(
    erasure: Erasure, client: MongoClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    words = ["--camera", "gate", "--data-dir", str(tmp_path)]
    refused = CliRunner().invoke(command, words, input="n\n")
    assert refused.exit_code == 1
    assert erasure.count(Selection("gate")) == WHOLE
    done = CliRunner().invoke(command, [*words, "--yes"])
    assert done.exit_code == 0, done.output
    assert re.search(r"Deleted +4 in DetectedFaces", done.output)
    assert "The log itself is not touched" in done.output
    assert erasure.count(Selection("gate")) == {}
    noted = client[settings.mongodb_database]["audit"].find_one()
    assert noted["what"] == "crowdwatch forget"
    assert noted["detail"]["camera_id"] == "gate"
    assert "There is nothing" in CliRunner().invoke(command, [*words, "--yes"]).output


@pytest.mark.parametrize(
    "words", [[], ["--from", "yesterday"], ["--from", "2026-11-23T10:00:00Z", "--to", "2026-11-23T09:00:00Z"]]
)
def test_wrong_use_exits_with_2(words: list[str]) -> None:
    assert CliRunner().invoke(command, words).exit_code == 2
