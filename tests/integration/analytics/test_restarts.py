"""A camera's analytics survive what streams do: kills at any place, disorder, repeats, gaps and jumps of the clock."""

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from analytics.camera import CameraAnalytics, CameraUpdate
from analytics.simulator import detect
from analytics.simulator.records import to_record
from analytics.simulator.scenes import crossing
from contracts.cameras import Camera
from contracts.events import Event, EventKind
from contracts.faces import FacesRecord, ImageSize

START_S = 1_764_000_000.0
KILLS = 50
CAMERA = Camera.from_dict(
    {
        "camera_id": "gate-1",
        "zones": [
            {"name": "hall", "polygon": [[0.2, 0], [0.8, 0], [0.8, 1], [0.2, 1]], "limit": 4},
            {"name": "till", "polygon": [[0, 0], [0.5, 0], [0.4, 1], [0, 1]], "roles": ["queue", "exit"]},
            {"name": "vault", "polygon": [[0.7, 0.6], [1, 0.6], [1, 1], [0.7, 1]], "roles": ["restricted", "display"]},
        ],
        "lines": [{"name": "door", "from": [0.5, 0], "to": [0.5, 1]}, {"name": "edge", "from": [0, 0], "to": [0, 1]}],
        "ground_plane": {
            "image": [[0, 0], [1, 0], [1, 1], [0, 1]],
            "metres": [[0, 0], [4.36, 0], [4.36, 2.45], [0, 2.45]],
        },
        "time_zone": "Europe/Berlin",
    }
)


@dataclass
class Consumer:
    """Takes results as the role does: what it has put out and its checkpoint are written together, or not at all."""

    analytics: CameraAnalytics = field(default_factory=lambda: CameraAnalytics(CAMERA))
    written: CameraUpdate = field(default_factory=CameraUpdate)

    def take(self, record: FacesRecord) -> CameraUpdate:
        """Analyse a result and write what it changed."""
        update = self.analytics.update(record)
        self.written.events += update.events
        self.written.occupancy += update.occupancy
        return update


def records_of(fps: float, people: int = 100, seed: int = 8) -> list[FacesRecord]:
    """The results of a simulated crowd."""
    frames = detect(crossing(people, seed=seed), fps, seed=1, start_s=START_S)
    return [to_record(frame, "gate-1", ImageSize(1280, 720)) for frame in frames]


def shifted(record: FacesRecord, seconds: float) -> FacesRecord:
    """The result with another time."""
    return replace(record, captured_at=record.captured_at + timedelta(seconds=seconds))


@pytest.mark.parametrize("fps", [1, 5])
def test_fifty_kills_change_nothing_to_the_last_event_count_and_checkpoint(fps: float) -> None:
    records = records_of(fps)
    random.seed(fps)
    arrivals = sorted(records, key=lambda record: record.frame_id + random.uniform(0, 3))
    first = next(number for number, record in enumerate(arrivals) if record.frame_id == 0)
    arrivals.insert(0, arrivals.pop(first))
    straight, checkpoints = Consumer(), []
    for record in arrivals:
        straight.take(record)
        checkpoints.append(straight.analytics.checkpoint())

    killed, at, saved = Consumer(), 0, (0, CameraAnalytics(CAMERA).checkpoint(), 0, 0)
    kills = sorted(random.sample(range(1, len(arrivals)), min(KILLS, len(arrivals) - 1)))
    while at < len(arrivals):
        killed.take(arrivals[at])
        at += 1
        if random.random() < 0.2:  # state, offset and what was put out are written as one
            saved = (at, killed.analytics.checkpoint(), len(killed.written.events), len(killed.written.occupancy))
            assert saved[1] == checkpoints[at - 1]
        if kills and at >= kills[0]:  # all since then is lost, and done again
            kills.pop(0)
            at, state, events, seconds = saved
            del killed.written.events[events:], killed.written.occupancy[seconds:]
            killed.analytics = CameraAnalytics.restore(state)
    assert not kills
    assert killed.written.events == straight.written.events
    assert killed.written.occupancy == straight.written.occupancy
    assert killed.analytics.unique == straight.analytics.unique
    assert killed.analytics.checkpoint() == straight.analytics.checkpoint()


def test_disorder_repeats_and_gaps_neither_crash_nor_count_twice() -> None:
    records = records_of(5)
    random.seed(3)
    kept = [record for record in records if random.random() > 0.1]
    arrivals = sorted([*kept, *kept[::2]], key=lambda record: record.frame_id + random.uniform(0, 8))
    straight, mixed = Consumer(), Consumer()
    for record in kept:
        straight.take(record)
    for record in [kept[0], *arrivals]:
        mixed.take(record)
    for consumer in (straight, mixed):
        last = consumer.analytics.flush()
        consumer.written.events += last.events
    assert mixed.written.events == straight.written.events
    ids = [event.event_id for event in mixed.written.events]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("jump_s", [-7200.0, -3.0, 3.0, 900.0, 86400.0 * 40])
def test_a_clock_that_jumps_does_no_harm(jump_s: float) -> None:
    records = records_of(5, people=60)
    middle = len(records) // 2
    consumer = Consumer()
    for number, record in enumerate(records):
        update = consumer.take(shifted(record, jump_s) if number >= middle else record)
        assert len(update.occupancy) <= 700 * len(CAMERA.zones)
    crossed = [event for event in consumer.written.events if event.kind is EventKind.LINE_CROSSED]
    straight = Consumer()
    for record in records:
        straight.take(record)
    usual = [event for event in straight.written.events if event.kind is EventKind.LINE_CROSSED]
    assert len(crossed) == pytest.approx(len(usual), abs=8)
    assert len({event.event_id for event in consumer.written.events}) == len(consumer.written.events)


def test_a_camera_that_begins_to_count_anew_is_followed() -> None:
    records = records_of(5, people=40)
    again = [
        shifted(record, records[-1].captured_at.timestamp() - START_S + 5.0) for record in records_of(5, 40, seed=9)
    ]
    consumer = Consumer()
    for record in [*records, *again]:
        consumer.take(record)
    late = again[0].captured_at.timestamp() + 20
    assert any(event.at.timestamp() > late for event in consumer.written.events)
    assert _ids_rise(consumer.written.events)


def test_the_state_stays_small_over_hours() -> None:
    frames = detect(crossing(600, seed=8, people_a_second=0.25), 2, seed=1, start_s=START_S)
    consumer, sizes = Consumer(), []
    for frame in frames:
        consumer.take(to_record(frame, "gate-1", ImageSize(1280, 720)))
        if frame.frame_id % 100 == 0:
            sizes.append(len(consumer.analytics.checkpoint()))
    assert max(sizes) < 300_000
    assert max(sizes) < 1.2 * max(sizes[: len(sizes) // 2])


def _ids_rise(events: list[Event]) -> bool:
    """Whether no track's id was given again: the first event of each comes with a higher id than all that are over."""
    ids = [event.track_id for event in events if event.kind is EventKind.ZONE_LEFT and event.track_id is not None]
    return len(set(ids)) > 40 and max(ids) == max(ids[-20:])
