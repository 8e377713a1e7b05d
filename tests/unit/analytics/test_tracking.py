"""The tracker, frame by frame and against simulated crowds."""

import itertools
from collections import Counter

import pytest

from analytics.geometry import Line
from analytics.lines import LineCounter, NamedLine
from analytics.simulator import World, detect
from analytics.simulator.scenes import crossing
from analytics.tracking import Tracker, TrackerParameters, TrackPoint
from contracts.errors import ConfigurationError, ContractError

from .conftest import IMAGE_SIZE, detections, track

DOOR = Line((0.5, 0.0), (0.5, 1.0))


@pytest.fixture(scope="module")
def world() -> World:
    return crossing(40, seed=3)


def test_a_face_is_reported_from_its_first_frame_once_it_was_seen_twice(tracker: Tracker) -> None:
    assert not tracker.update(detections((300, 300)), 100.0).points
    points = tracker.update(detections((310, 300)), 100.2).points
    assert [(point.track_id, point.at_s, round(point.x)) for point in points] == [(1, 100.0, 300), (1, 100.2, 310)]


def test_a_face_that_moves_nine_widths_a_second_stays_one(tracker: Tracker) -> None:
    ids = set()
    for step in range(12):
        points = tracker.update(detections((20 + step * 9 * 44 / 5, 300)), step / 5).points
        ids |= {point.track_id for point in points}
    assert ids == {1}


def test_two_who_cross_keep_their_ids(tracker: Tracker) -> None:
    last: list[TrackPoint] = []
    for step in range(11):
        offset = 40 * step
        update = tracker.update(
            detections((200 + offset, 300 + offset / 10), (600 - offset, 340 - offset / 10)), step / 5
        )
        last = list(update.points) or last
    assert {point.track_id: round(point.x) for point in last} == {1: 600, 2: 200}


def test_a_lost_face_is_found_again_and_ends_after_its_time(tracker: Tracker) -> None:
    for step in range(5):
        tracker.update(detections((300 + 20 * step, 300)), step / 5)
    for step in range(5, 8):
        assert not tracker.update(detections(), step / 5).points
    assert [point.track_id for point in tracker.update(detections((460, 300)), 1.6).points] == [1]
    ended = [end for step in range(9, 30) for end in tracker.update(detections(), step / 5).ended]
    assert [(end.track_id, end.last_s) for end in ended] == [(1, 1.6)]


def test_a_doubtful_find_continues_a_track_and_begins_none(tracker: Tracker) -> None:
    tracker.update(detections((300, 300)), 0.0)
    tracker.update(detections((300, 300)), 0.2)
    assert [p.track_id for p in tracker.update(detections((300, 300), confidence=0.45), 0.4).points] == [1]
    for step in range(3, 6):
        assert {
            p.track_id for p in tracker.update(detections((300, 300), (900, 300), confidence=0.45), step / 5).points
        } <= {1}


@pytest.mark.parametrize("fps", [1, 5])
def test_a_restored_tracker_goes_on_exactly(world: World, fps: int) -> None:
    frames = list(detect(world, fps, seed=1))
    straight = list(track(frames, Tracker(IMAGE_SIZE)))
    tracker, broken = Tracker(IMAGE_SIZE), []
    for frame in frames:
        broken.append(next(track([frame], tracker)))
        tracker = Tracker.restore(tracker.checkpoint())
    assert broken == straight[:-1]
    assert len(tracker.checkpoint()) < 100_000


def test_ids_are_never_given_twice(world: World) -> None:
    tracker = Tracker(IMAGE_SIZE, first_id=70)
    first = {p.track_id for update in track(detect(world, 5, seed=1), tracker) for p in update.points}
    later = Tracker.restore(tracker.checkpoint())
    second = {p.track_id for u in track(detect(world, 5, seed=2, start_s=1000), later) for p in u.points}
    assert min(first) == 70
    assert max(first) < min(second)


def test_crossings_and_identities_hold_at_five_frames_a_second(world: World) -> None:
    frames = list(detect(world, 5, seed=1))
    owner = {frame.at_s: frame.found for frame in frames}
    counter, counted, owners = LineCounter([NamedLine("door", DOOR)], IMAGE_SIZE), Counter[str](), {}
    for update in track(frames, Tracker(IMAGE_SIZE)):
        counted.update(c.direction for c in counter.update(update.points, update.ended, update.interval_s))
        for point in update.points:
            owners.setdefault(point.track_id, []).append(int(owner[point.at_s][point.detection]))
    truth = Counter(passage.direction for passage in world.crossings(DOOR))
    assert counted.total() == pytest.approx(truth.total(), abs=1)
    links = [before == after for way in owners.values() for before, after in itertools.pairwise(way)]
    assert sum(links) / len(links) > 0.97
    assert len(owners) == pytest.approx(len(world.visible()), abs=4)


def test_a_checkpoint_that_is_none_is_refused(tracker: Tracker) -> None:
    with pytest.raises(ContractError, match="checkpoint"):
        Tracker.restore(b"no")
    old = tracker.checkpoint().replace(b'"version":4', b'"version":99')
    with pytest.raises(ContractError, match="version"):
        Tracker.restore(old)


@pytest.mark.parametrize(
    "wrong", [{"speed": 0.0}, {"miss_cost": -1.0}, {"detection_probability": 1.0}, {"confirm_hits": 1}]
)
def test_parameters_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="tracker"):
        TrackerParameters(**wrong)  # type: ignore[arg-type]
