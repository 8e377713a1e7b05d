"""A camera whose clock is wrong, is set, or leaps; and what a camera's other keys do to its analytics."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec.structs import replace as with_keys

from analytics.camera import CameraAnalytics, CameraUpdate
from analytics.simulator import World, detect
from analytics.simulator.records import to_record
from analytics.simulator.scenes import crossing
from contracts.cameras import Camera
from contracts.events import EventKind
from contracts.faces import FacesRecord, ImageSize

START_S = 1_764_000_000.0
HALL = {"name": "hall", "polygon": [[0.2, 0], [0.8, 0], [0.8, 1], [0.2, 1]], "limit": 4, "roles": ["density"]}
CAMERA = Camera.from_dict(
    {
        "camera_id": "gate-1",
        "zones": [HALL],
        "lines": [{"name": "door", "from": [0.5, 0], "to": [0.5, 1]}],
    }
)


@pytest.fixture(scope="module")
def world() -> World:
    return crossing(25, seed=11)


@pytest.fixture(scope="module")
def records(world: World) -> list[FacesRecord]:
    """Results whose frames came into the log 80 ms after they were taken."""
    frames = detect(world, 5, seed=2, start_s=START_S)
    plain = [to_record(frame, "gate-1", ImageSize(1280, 720)) for frame in frames]
    return [replace(one, received_at=one.captured_at + timedelta(milliseconds=80)) for one in plain]


def run(records: Sequence[FacesRecord], camera: Camera = CAMERA) -> CameraUpdate:
    """Analyse all records, with a restart now and then."""
    analytics, whole = CameraAnalytics(camera, whole_picture=True), CameraUpdate()
    updates = []
    for number, record in enumerate(records):
        updates.append(analytics.update(record))
        if number % 17 == 0:
            analytics = CameraAnalytics.restore(analytics.checkpoint(), camera, whole_picture=True)
    for update in (*updates, analytics.finish()):
        whole.turns += [(len(whole.frames) + a, len(whole.occupancy) + b) for a, b in update.turns]
        whole.events += update.events
        whole.occupancy += update.occupancy
        whole.frames += update.frames
    return whole


def seconds(update: CameraUpdate) -> dict[int, int]:
    return {one.at_s: one.count for one in update.occupancy if one.zone == "hall"}


def crossings(update: CameraUpdate) -> int:
    return sum(event.kind is EventKind.LINE_CROSSED for event in update.events)


def shifted(record: FacesRecord, later_s: float) -> FacesRecord:
    """Return the record with another time of capture, as a clock that is wrong has it."""
    return replace(record, captured_at=record.captured_at + timedelta(seconds=later_s))


@pytest.fixture(scope="module")
def undisturbed(records: list[FacesRecord]) -> CameraUpdate:
    return run(records)


@pytest.mark.parametrize("later_s", [30, 240, 3600, 86400, -30, -3600, -86400])
def test_one_frame_with_a_wrong_date_changes_nothing_but_itself(
    records: list[FacesRecord], undisturbed: CameraUpdate, later_s: float
) -> None:
    disturbed = run([*records[:60], shifted(records[60], later_s), *records[61:]])
    assert seconds(disturbed) == seconds(undisturbed)
    assert crossings(disturbed) == crossings(undisturbed)
    assert disturbed.turns == []
    tracks = [{event.track_id for event in update.events} for update in (disturbed, undisturbed)]
    assert tracks[0] == tracks[1]


@pytest.mark.parametrize("later_s", [30, 3600, 86400, -30, -3600, -86400])
def test_a_clock_that_is_set_costs_a_few_seconds(
    records: list[FacesRecord], undisturbed: CameraUpdate, later_s: float
) -> None:
    half = len(records) // 2
    disturbed = run([*records[:half], *(shifted(record, later_s) for record in records[half:])])
    assert len(disturbed.turns) == (later_s < 0)
    assert crossings(disturbed) == pytest.approx(crossings(undisturbed), abs=2)
    middle_s = records[half].captured_at.timestamp()
    expected = {at_s + (later_s if at_s >= middle_s else 0): count for at_s, count in seconds(undisturbed).items()}
    both = Counter(one.at_s for one in disturbed.occupancy if one.zone == "hall")
    found = [at_s for at_s in expected if both[int(at_s)]]
    assert len(found) >= len(expected) - 4
    taken = [r.captured_at.timestamp() + (later_s if n >= half else 0) for n, r in enumerate(records)]
    assert {one.at_s for one in disturbed.frames} == set(taken)


def test_a_camera_that_numbers_its_frames_anew_loses_none(
    records: list[FacesRecord], undisturbed: CameraUpdate
) -> None:
    renumbered = [replace(record, frame_id=number % 7) for number, record in enumerate(records)]
    disturbed = run(renumbered)
    assert seconds(disturbed) == seconds(undisturbed)
    assert len(disturbed.frames) == len(records)


def test_a_level_that_holds_while_the_clock_is_set_back_is_reported_once(records: list[FacesRecord]) -> None:
    crowd = replace(records[0], faces=tuple(face for record in records[40:60:4] for face in record.faces)[:5])
    assert len(crowd.faces) == 5
    standing = [
        replace(
            crowd,
            frame_id=number,
            captured_at=records[0].captured_at + timedelta(seconds=number / 5 - (3600 if number >= 50 else 0)),
            received_at=records[0].captured_at + timedelta(seconds=number / 5),
        )
        for number in range(100)
    ]
    levels = [event.value["level"] for event in run(standing).events if event.kind is EventKind.DENSITY_LEVEL]
    assert levels == ["busy"]


def test_what_lies_in_an_ignored_zone_is_analysed_by_nobody(
    records: list[FacesRecord], undisturbed: CameraUpdate
) -> None:
    mask = {"name": "poster", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "roles": ["ignore", "density"], "limit": 1}
    masked = run(records, Camera.from_dict({**CAMERA.to_dict(), "zones": [HALL, mask]}))
    assert masked.events == []
    assert {one.zone for one in masked.occupancy} == {"hall", "*"}
    assert set(seconds(masked).values()) == {0}
    assert not any(frame.places for frame in masked.frames)
    half = {**mask, "polygon": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
    masked = run(records, Camera.from_dict({**CAMERA.to_dict(), "zones": [HALL, half]}))
    places = [place for frame in masked.frames for place in frame.places]
    assert places and max(x for x, _ in places) < 0.5
    assert any(x > 0.5 for frame in undisturbed.frames for x, _ in frame.places)


def test_another_time_zone_acts_on_what_is_usual_at_once(records: list[FacesRecord]) -> None:
    analytics = CameraAnalytics(CAMERA)
    for record in records:
        analytics.update(record)
    usual = analytics._usual["hall"]  # a week of crowds is too long for a test
    monday_9 = 1_764_579_600  # 2025-12-01T09:00:00Z
    for week in range(2):
        for minute in range(60):
            usual.judge(monday_9 + week * 604_800 + 60 * minute, 7, 1)
    moved = CameraAnalytics.restore(analytics.checkpoint(), with_keys(CAMERA, time_zone="Asia/Tokyo"))
    for kept in (usual, moved._usual["hall"]):
        assert kept.judge(monday_9 + 2 * 604_800 + 1800 * 2, 7, 1).expected is None
        assert kept.judge(monday_9 + 2 * 604_800 + 300, 7, 1).expected == 7
