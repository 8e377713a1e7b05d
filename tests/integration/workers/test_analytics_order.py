"""Results that workers publish in any order are analysed in the order of their frames, through kills and holes."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaProducer

from contracts.faces import FacesRecord
from contracts.offsets import SETTLES_HEADER, SOURCE_TOPIC_HEADER, OffsetRange, SourceOffset
from messaging.admin import ensure_topics
from settings import Settings
from storage.cameras import Cameras
from tests.integration.workers.conftest import Fleet
from tests.integration.workers.test_analytics import ago, camera, until, walkers
from tests.integration.workers.test_analytics import cameras as cameras
from tests.integration.workers.test_analytics import database as database
from tests.integration.workers.test_metrics import metrics_of, total
from workers.analytics.replay import replay

TASK = 32
NAMES = ("gate-1", "gate-2")
Task = list[FacesRecord]
Publish = Callable[[Sequence[Task]], None]


@pytest.fixture
def tasks(settings: Settings, foreign: KafkaProducer) -> list[Task]:
    """Two cameras' results by task, of frames that lie in partition 0, one camera after the other."""
    ensure_topics(settings)
    values = [value for name in NAMES for value in walkers(name, 90, ago(4000))]
    for _ in values:
        foreign.send(settings.topic_frames, b"frame", partition=0)
    foreign.flush()
    results = [
        replace(FacesRecord.decode(value), source=SourceOffset(settings.topic_frames, 0, offset))
        for offset, value in enumerate(values)
    ]
    return [results[start : start + TASK] for start in range(0, len(results), TASK)]


@pytest.fixture
def publish(settings: Settings, foreign: KafkaProducer) -> Publish:
    """Publishes tasks' results as a worker does."""

    def publish(tasks: Sequence[Task]) -> None:
        for record in (record for task in tasks for record in task):
            offset = record.source.offset
            foreign.send(
                settings.topic_faces,
                record.encode(),
                key=record.camera_id.encode(),
                partition=0,
                headers=settles(settings, OffsetRange(offset, offset + 1)),
            )
        foreign.flush()

    return publish


@pytest.fixture
def watched(cameras: Cameras) -> Iterator[None]:
    """Cameras with a line and a zone."""
    for name in NAMES:
        cameras.put(camera(name))
    yield


def settles(settings: Settings, offsets: OffsetRange) -> list[tuple[str, bytes]]:
    return [(SETTLES_HEADER, offsets.encode()), (SOURCE_TOPIC_HEADER, settings.topic_frames.encode())]


def expected(tasks: Sequence[Task], settings: Settings) -> tuple[set[str], dict[Any, int]]:
    """The events and the seconds of these tasks in order."""
    events, seconds = set(), {}
    for name in NAMES:
        results = [record for task in tasks for record in task if record.camera_id == name]
        outputs = replay(results, camera(name), settings).outputs
        events |= {event.event_id for event in outputs.events}
        seconds |= {(name, one.zone, float(one.at_s)): one.last for one in outputs.seconds}
    return events, seconds


def found(database: Any) -> tuple[set[str], dict[Any, int]]:
    seconds = {
        (one["of"]["camera_id"], one["of"]["zone"], one["at"].timestamp()): one["count"]
        for one in database.occupancy.find()
    }
    return {one["_id"] for one in database.events.find()}, seconds


def test_tasks_in_any_order_and_kills_change_nothing(
    fleet: Fleet, database: Any, watched: None, tasks: list[Task], publish: Publish, settings: Settings
) -> None:
    rng = random.Random(3)
    order = sorted([*enumerate(tasks), *enumerate(tasks[::3])], key=lambda one: one[0] + rng.uniform(0, 5))
    for number in range(0, len(order), 8):
        fleet.start("analytics")
        publish([task for _, task in order[number : number + 8]])
        fleet.wait_for("owning partitions", "analytics")
        time.sleep(rng.uniform(0, 2))
        fleet.kill("analytics")
        (fleet._folder / "analytics.log").unlink()
    fleet.start("analytics")
    until("all of it", lambda: found(database) == expected(tasks, settings))
    time.sleep(6)
    assert found(database) == expected(tasks, settings)
    assert total(metrics_of(fleet, "analytics"), "crowdwatch_analytics_passed_total") == 0
    assert fleet.stop() == {"analytics": 0}


def test_what_does_not_come_is_waited_for_and_passed_and_counted(
    fleet: Fleet,
    database: Any,
    watched: None,
    tasks: list[Task],
    publish: Publish,
    settings: Settings,
    foreign: KafkaProducer,
) -> None:
    fleet.settings = fleet.settings.model_copy(update={"analytics_wait_s": 4})
    fleet.start("analytics")
    fleet.wait_for("owning partitions", "analytics")
    rubbish = settles(settings, OffsetRange(0, 2**62))
    foreign.send(settings.topic_faces, None, key=b"x", partition=0, headers=rubbish).get(30)
    publish(tasks[1:])
    publish([[replace(tasks[5][0], log_id="of a log that is no more")]])
    until("results that wait", lambda: total(metrics_of(fleet, "analytics"), "crowdwatch_analytics_held") > 0)
    assert found(database) == (set(), {}), "what precedes them may still come"
    until("all but the first task", lambda: found(database) == expected(tasks[1:], settings))
    assert total(metrics_of(fleet, "analytics"), "crowdwatch_analytics_passed_total") == TASK
    publish(tasks[:1])
    until("late ones", lambda: total(metrics_of(fleet, "analytics"), "crowdwatch_analytics_late_total") == TASK + 1)
    assert total(metrics_of(fleet, "analytics"), "crowdwatch_analytics_held") == 0
    fleet.kill("analytics")
    fleet.start("analytics")
    time.sleep(8)
    assert found(database) == expected(tasks[1:], settings)


def test_while_nothing_comes_a_hole_is_not_passed(
    fleet: Fleet, database: Any, watched: None, tasks: list[Task], publish: Publish, settings: Settings
) -> None:
    """As while all workers are away: what they had begun is done again when they are back."""
    fleet.settings = fleet.settings.model_copy(update={"analytics_wait_s": 6})
    fleet.start("analytics")
    fleet.wait_for("owning partitions", "analytics")
    publish(tasks[2:4])
    time.sleep(9)
    assert found(database) == (set(), {})
    publish([tasks[1], tasks[0], *tasks[4:]])
    until("all of it", lambda: found(database) == expected(tasks, settings))
    assert total(metrics_of(fleet, "analytics"), "crowdwatch_analytics_passed_total") == 0
