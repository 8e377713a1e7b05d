"""A camera's analytics as a whole: events of a simulated crowd, exact restarts, any order of arrival."""

import json
import random
from collections import Counter
from dataclasses import replace

import msgspec
import pytest

from analytics.camera import CameraAnalytics, CameraUpdate
from analytics.geometry import Line, Polygon
from analytics.simulator import World, detect
from analytics.simulator.records import to_record
from analytics.simulator.scenes import crossing
from contracts.cameras import Camera
from contracts.errors import ContractError
from contracts.events import Event, EventKind
from contracts.faces import FacesRecord, ImageSize, Status

START_S = 1_764_000_000.0
ZONE = [[0.2, 0], [0.8, 0], [0.8, 1], [0.2, 1]]
CAMERA = Camera.from_dict(
    {
        "camera_id": "gate-1",
        "zones": [
            {
                "name": "hall",
                "polygon": ZONE,
                "limit": 4,
                "roles": ["density", "queue", "restricted", "display", "exit"],
            },
            {"name": "all", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        ],
        "lines": [{"name": "door", "from": [0.5, 0], "to": [0.5, 1]}],
        "time_zone": "Europe/Berlin",
    }
)


@pytest.fixture(scope="module")
def world() -> World:
    return crossing(40, seed=8)


@pytest.fixture(scope="module")
def records(world: World) -> list[FacesRecord]:
    frames = detect(world, 5, seed=1, start_s=START_S)
    return [to_record(frame, "gate-1", ImageSize(1280, 720)) for frame in frames]


def run(analytics: CameraAnalytics, records: list[FacesRecord]) -> CameraUpdate:
    """Feed all records to the end."""
    whole = CameraUpdate()
    for update in (*(analytics.update(record) for record in records), analytics.flush()):
        whole.events += update.events
        whole.occupancy += update.occupancy
    return whole


@pytest.fixture(scope="module")
def undisturbed(records: list[FacesRecord]) -> tuple[CameraUpdate, bytes]:
    analytics = CameraAnalytics(CAMERA)
    return run(analytics, records), analytics.checkpoint()


def test_events_tell_the_truth(world: World, undisturbed: tuple[CameraUpdate, bytes]) -> None:
    events, occupancy = undisturbed[0].events, undisturbed[0].occupancy
    kinds = Counter(event.kind for event in events)
    passages = world.crossings(Line((0.5, 0), (0.5, 1)))
    assert kinds[EventKind.LINE_CROSSED] == pytest.approx(len(passages), abs=1)
    hall = Polygon(tuple((x, y) for x, y in ZONE))
    assert kinds[EventKind.ZONE_LEFT] >= len(world.visits(hall))
    assert {EventKind.ZONE_ENTERED, EventKind.DENSITY_LEVEL, EventKind.INTRUSION, EventKind.ENGAGED} <= set(kinds)
    assert len({event.event_id for event in events}) == len(events)
    assert all(Event.decode(event.encode()) == event for event in events)
    seconds = [one for one in occupancy if one.zone == "hall"]
    truth = world.occupancy(hall, [one.at_s - START_S for one in seconds])
    errors = [abs(one.count - true) for one, true in zip(seconds, truth, strict=True)]
    assert sum(errors) / len(errors) < 0.5
    assert [one.at_s for one in seconds] == list(range(int(START_S), seconds[-1].at_s + 1))


def test_a_restart_after_each_result_changes_nothing(
    records: list[FacesRecord], undisturbed: tuple[CameraUpdate, bytes]
) -> None:
    analytics, whole = CameraAnalytics(CAMERA), CameraUpdate()
    for record in records[:-1]:
        update = analytics.update(record)
        whole.events += update.events
        whole.occupancy += update.occupancy
        analytics = CameraAnalytics.restore(analytics.checkpoint())
    rest = run(analytics, records[-1:])
    assert whole.events + rest.events == undisturbed[0].events
    assert whole.occupancy + rest.occupancy == undisturbed[0].occupancy
    assert analytics.checkpoint() == undisturbed[1]
    assert len(undisturbed[1]) < 1_000_000


def test_the_order_and_repeats_of_arrival_change_nothing(
    records: list[FacesRecord], undisturbed: tuple[CameraUpdate, bytes]
) -> None:
    shuffled = sorted(
        [*records, *records[::3]], key=lambda one: one.frame_id + random.Random(one.frame_id).uniform(0, 6)
    )
    first = next(number for number, record in enumerate(shuffled) if record.frame_id == 0)
    shuffled.insert(0, shuffled.pop(first))
    assert run(CameraAnalytics(CAMERA), shuffled).events == undisturbed[0].events


def test_failed_and_skipped_frames_say_nothing(records: list[FacesRecord]) -> None:
    lost = [
        replace(record, status=Status.SKIPPED, faces=(), image=None, error="too old") if index % 10 == 5 else record
        for index, record in enumerate(records)
    ]
    crossed = [e for e in run(CameraAnalytics(CAMERA), lost).events if e.kind is EventKind.LINE_CROSSED]
    whole = [e for e in run(CameraAnalytics(CAMERA), records).events if e.kind is EventKind.LINE_CROSSED]
    assert len(crossed) == pytest.approx(len(whole), abs=2)


def test_new_settings_take_over_the_tracks(records: list[FacesRecord]) -> None:
    analytics = CameraAnalytics(CAMERA)
    before = run(analytics, records[:150])
    changed = msgspec.structs.replace(CAMERA, lines=(msgspec.structs.replace(CAMERA.lines[0], name="gate"),), zones=())
    after = run(CameraAnalytics.restore(analytics.checkpoint(), changed), records[150:])
    assert {event.line for event in after.events if event.kind is EventKind.LINE_CROSSED} == {"gate"}
    ids = [max(event.track_id or 0 for event in events) for events in (before.events, after.events)]
    assert ids[1] > ids[0]


def test_a_checkpoint_with_parts_that_are_no_more_is_read(records: list[FacesRecord]) -> None:
    analytics = CameraAnalytics(CAMERA)
    run(analytics, records[:150])
    state = json.loads(analytics.checkpoint())
    state["parts"] |= {"heatmap": {"_cells": [0.0]}, "queue/hall": {"_waits": [[1.0, 2.0]]}}
    restored = CameraAnalytics.restore(json.dumps(state).encode())
    assert restored.checkpoint() == analytics.checkpoint()
    assert run(restored, records[150:]).events == run(analytics, records[150:]).events


def test_a_checkpoint_that_is_none_is_refused() -> None:
    for wrong in (b"{", b"{}"):
        with pytest.raises(ContractError, match="checkpoint"):
            CameraAnalytics.restore(wrong)
