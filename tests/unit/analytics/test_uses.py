"""The uses against the simulator's truth: 10 % of the faces missed, 2 % false, five frames a second."""

import json
import statistics
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.geometry import Polygon
from analytics.ground import GroundMap
from analytics.occupancy import OccupancySeries
from analytics.presence import NamedZone, PresenceUpdate, ZonePresence, ZoneVisit
from analytics.simulator import World, detect
from analytics.simulator.scenes import crossing, gathering, intrusions, leaving
from analytics.state import Stateful
from analytics.tracking import Tracker, TrackPoint, TrackUpdate
from analytics.uses.anomalies import Gatherings, Unusual, Usual, UsualCrowd
from analytics.uses.attendance import Attendance
from analytics.uses.capacity import Capacity
from analytics.uses.density import Density
from analytics.uses.distancing import Distancing
from analytics.uses.engagement import looked_s
from analytics.uses.evacuation import Evacuation, clears_in_s
from analytics.uses.queues import waited_s
from analytics.uses.restricted import Restricted
from contracts.cameras import Schedule

from .conftest import IMAGE_SIZE, track

FPS = 5
WHOLE = Polygon(((0, 0), (1, 0), (1, 1), (0, 1)))
MONDAY_S = 4 * 86400.0  # 1970-01-05
DAY_S = 86400.0


def follow(
    world: World, zone: Polygon, seed: int = 1
) -> Iterator[tuple[float, TrackUpdate, PresenceUpdate, ZonePresence]]:
    """Detect, track, and follow through one zone."""
    presence, tracker = ZonePresence([NamedZone("zone", zone)], IMAGE_SIZE), Tracker(IMAGE_SIZE)
    frames = list(detect(world, FPS, seed))
    for frame, update in zip(frames, track(frames, tracker), strict=False):
        yield frame.at_s, update, presence.update(update.points, update.ended, update.interval_s), presence


def same_after_json(use: Stateful) -> None:
    """The state survives JSON exactly."""
    assert json.loads(json.dumps(use.state())) == use.state()


@pytest.fixture(scope="module")
def crowd() -> World:
    return crossing(60, seed=5)


def test_dwell_occupancy_and_attendance_hold(crowd: World) -> None:
    zone = Polygon(((0.25, 0), (0.75, 0), (0.75, 1), (0.25, 1)))
    visits: list[ZoneVisit] = []
    attendance, errors = Attendance(IMAGE_SIZE), []
    for at_s, update, presence, zones in follow(crowd, zone):
        visits += presence.left
        attendance.update(update.points, update.ended, update.interval_s)
        errors.append(abs(zones.present("zone", at_s, 0.45) - crowd.occupancy(zone, [at_s])[0]))
    truth = crowd.visits(zone)
    dwell = statistics.fmean(visit.left_s - visit.entered_s for visit in visits if visit.left_s is not None)
    assert dwell == pytest.approx(statistics.fmean(visit.seconds for visit in truth), rel=0.05)
    assert statistics.fmean(errors) < 0.5
    assert attendance.unique == pytest.approx(len(crowd.visible()), rel=0.05)
    low, high = attendance.interval()
    assert low <= len(crowd.visible()) <= high
    same_after_json(attendance)


def test_every_planned_intrusion_is_found_in_time_and_no_other() -> None:
    corner = Polygon(((0.72, 0.65), (1, 0.65), (1, 1), (0.72, 1)))
    world = intrusions(seed=4, times_s=(20, 70, 110), duration_s=150, passers=50)
    restricted, found = Restricted([], minimum_stay_s=2.0, time_zone="UTC"), []
    for at_s, _, _, zones in follow(world, corner):
        found += restricted.update(zones.visits("zone"), at_s)
    planned = [visit for visit in world.visits(corner) if visit.seconds >= 2.5]
    assert len(planned) == len(found) == 3
    for visit, intrusion in zip(planned, found, strict=True):
        assert 0 <= intrusion.at_s - (visit.entered_s + 2.0) < 2.0
    same_after_json(restricted)


def test_a_schedule_is_that_of_the_place() -> None:
    restricted = Restricted([Schedule("mon-fri", "22:00", "06:00")], 0.0, "Europe/Berlin")
    assert restricted.forbidden(MONDAY_S + 21.5 * 3600)  # 22:30 in Berlin
    assert not restricted.forbidden(MONDAY_S + 20.5 * 3600)
    assert not restricted.update([ZoneVisit("vault", 1, MONDAY_S)], MONDAY_S + 9 * 3600)


def test_a_gathering_and_its_end_are_found_once() -> None:
    world = gathering(seed=3, people=7, starts_s=15, ends_s=45, duration_s=75)
    use, found = Gatherings(), []
    for at_s, update, _, _ in follow(world, WHOLE):
        change = use.update(update.points, at_s)
        found += [change] if change else []
    assert [(change.kind, change.people >= 5) for change in found] == [("gathering", True), ("dispersal", False)]
    assert 20 < found[0].at_s < 35 and 45 < found[1].at_s < 60
    same_after_json(use)


@pytest.mark.parametrize("closed_s", [None, (30.0, 65.0)])
def test_a_blocked_exit_is_found_and_an_open_one_is_not(closed_s: tuple[float, float] | None) -> None:
    exit_zone = Polygon(((0, 0.1), (0.45, 0.1), (0.45, 0.95), (0, 0.95)))
    world = leaving(seed=6, duration_s=100, closed_s=closed_s)
    use, found = Evacuation(), []
    for at_s, _, presence, zones in follow(world, exit_zone):
        for visit in presence.left:
            assert visit.left_s is not None
            use.passed(visit.left_s)
        event = use.update(at_s, zones.present("zone", at_s, 1.0))
        found += [event] if event else []
    assert [event.kind for event in found] == (["bottleneck", "cleared"] if closed_s else [])
    if closed_s:
        assert closed_s[0] < found[0].at_s < closed_s[1] < found[1].at_s < closed_s[1] + 15
    same_after_json(use)


def test_levels_change_without_flicker() -> None:
    density = Density(limit=10, area_m2=20.0)
    levels = [change.level for step in range(400) if (change := density.update(step / 5, 6 + step // 50 % 2 * 2))]
    assert levels[0] == "busy" and len(levels) == 1
    assert density.per_m2(10) == 0.5
    assert Density(limit=None, area_m2=None).update(0.0, 99) is None
    same_after_json(density)


def test_a_venue_counts_each_crossing_once() -> None:
    venue = Capacity(limit=3)
    changes = [venue.update(f"event-{number}", "in", float(number)) for number in range(4)]
    assert [change.level for change in changes if change] == ["full", "over"]
    assert venue.update("event-3", "in", 9.0) is None and venue.inside == 4
    venue.update("event-9", "out", 10.0)
    assert (venue.inside, venue.passed) == (3, (4, 1))
    assert (change := venue.reset(0, 11.0)) is not None and change.level == "normal"
    venue.update("event-10", "out", 12.0)
    assert venue.inside == 0
    same_after_json(venue)


@pytest.mark.parametrize("seconds", [looked_s, waited_s])
def test_short_stays_are_neither_looks_nor_waits(seconds: Callable[[ZoneVisit, float], float | None]) -> None:
    assert seconds(ZoneVisit("zone", 1, 0.0, 1.0), 2.0) is None
    assert seconds(ZoneVisit("zone", 2, 0.0, 6.0), 2.0) == 6.0


def test_pairs_that_stay_near_are_reported_once() -> None:
    use, found = Distancing(1.5, IMAGE_SIZE), []
    for step in range(50):
        points = [TrackPoint(i, step / 5, x, 300, 44, 55, 0.9, i) for i, x in ((1, 100), (2, 400), (3, 1000))]
        distances = use.update(points, step / 5)
        found += distances.violations
    assert [(pair.track_ids, round(pair.metres, 2)) for pair in found] == [((1, 2), 1.02)]
    assert (distances.pairs, distances.near) == (3, 1)
    same_after_json(use)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=2, max_size=2))
def test_the_ground_plane_gives_back_what_a_camera_projected(places: list[tuple[float, float]]) -> None:
    def project(x: float, y: float) -> tuple[float, float]:
        return (0.1 * x + 0.02 * y) / (1 + 0.05 * y), (0.09 * y) / (1 + 0.05 * y)

    corners = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))
    ground = GroundMap(tuple(project(*corner) for corner in corners), corners)
    for place in places:
        assert ground.to_metres(project(*place)) == pytest.approx(place, abs=1e-6)


def hour(usual: Usual, start_s: float, values: Iterable[float]) -> list[Unusual]:
    """Judge the minutes of an hour."""
    return [usual.judge(start_s + 60 * minute, value) for minute, value in enumerate(values)]


def test_an_hour_is_learned_on_different_days_and_not_within_one() -> None:
    usual = Usual("UTC")
    assert all(one.score is None for one in hour(usual, MONDAY_S, [5.0] * 60))
    assert all(one.score is None for one in hour(usual, MONDAY_S + DAY_S, [5.0] * 60))
    assert hour(usual, MONDAY_S + 2 * DAY_S, [5.0])[0].expected == 5.0
    assert hour(usual, MONDAY_S + 2 * DAY_S + 3600, [5.0])[0].expected is None, "another hour"


def test_an_hour_seen_for_some_minutes_only_teaches_nothing() -> None:
    usual = Usual("UTC")
    for day in range(5):
        assert all(one.score is None for one in hour(usual, MONDAY_S + day * DAY_S, [5.0] * 19))


def test_other_days_stand_in_until_the_weekday_is_known() -> None:
    usual, seen = Usual("UTC"), []
    for day in range(21):
        count = 40.0 if day % 7 == 6 else 4.0
        seen.append(hour(usual, MONDAY_S + day * DAY_S, [count] * 30)[-1])
    first, second, third = (seen[day] for day in (6, 13, 20))
    assert (first.expected, second.expected, third.expected) == (4.0, 4.0, 40.0)
    assert second.score is not None and second.score > 8 and third.score == 0.0


def test_an_unusual_minute_is_told_from_usual_ones_and_one_bad_week_changes_little() -> None:
    usual, random = Usual("Europe/Berlin"), np.random.default_rng(1)
    for week in range(4):
        mean = 300.0 if week == 2 else 20.0
        hour(usual, MONDAY_S + 7 * week * DAY_S, random.poisson(mean, 60).astype(float))
    scores = [one.score for one in hour(usual, MONDAY_S + 28 * DAY_S, random.poisson(20.0, 50).astype(float))]
    assert all(score is not None and abs(score) < 4.5 for score in scores)
    crowd, empty = (usual.judge(MONDAY_S + 28 * DAY_S + 55 * 60, count) for count in (60.0, 0.0))
    assert crowd.score is not None and crowd.score > 5 and empty.score is not None and empty.score < -3
    same_after_json(usual)


def test_what_is_usual_stays_small() -> None:
    usual = Usual("UTC")
    for number in range(6 * 7 * 24):
        hour(usual, MONDAY_S + 3600 * number, [number % 9 + 0.123] * 20)
    assert len(json.dumps(usual.state(), separators=(",", ":"))) < 20_000


def test_a_flow_is_judged_where_the_count_is_as_ever() -> None:
    crowd = UsualCrowd("UTC")
    for day in range(3):
        for minute in range(30):
            quiet = crowd.judge(MONDAY_S + day * DAY_S + 60 * minute, 5.0, 4.0)
    assert (quiet.expected, quiet.score) == (5.0, 0.0)
    rush = crowd.judge(MONDAY_S + 2 * DAY_S + 1800, 5.0, 40.0)
    assert rush.expected == 5.0 and rush.score is not None and rush.score > 8
    again = UsualCrowd("UTC")
    again.resume(json.loads(json.dumps(crowd.state())))
    assert again.state() == crowd.state()


def test_a_minute_is_judged_by_its_mean_and_by_who_came() -> None:
    series, told = OccupancySeries(["hall"], delay_s=1.0), []

    def judge(*minute: object) -> tuple[None, None]:
        told.append(minute)
        return None, None

    series.advance(0.0, judge)
    series.entered(ZoneVisit("hall", 1, 10.0))
    series.entered(ZoneVisit("hall", 2, 30.0))
    series.left(ZoneVisit("hall", 2, 30.0, 60.0))
    for at_s in range(1, 80):
        series.advance(float(at_s), judge)
    assert told == [("hall", 0, pytest.approx(80 / 60), 2.0)]
    series.advance(10_000.0, judge)
    assert len(told) == 1, "nothing is known of a pause"


@pytest.mark.parametrize(
    ("remaining", "per_minute", "expected_s"),
    [(30, [60.0, 30.0], 20.0), (0, [0.0], 0.0), (0, [], 0.0), (12, [0.0, 0.0], None), (12, [], None)],
)
def test_the_time_to_clear_is_that_of_all_exits_together(
    remaining: int, per_minute: list[float], expected_s: float | None
) -> None:
    assert clears_in_s(remaining, per_minute) == expected_s


def test_an_exit_tells_when_those_before_it_will_be_out() -> None:
    use = Evacuation()
    use.update(0.0, 8)
    for at_s in range(5):
        use.passed(float(at_s))
    use.update(5.0, 10)
    assert use.report(10).clears_in_s == 30.0
    use.update(40.0, 10)
    assert use.report(10).clears_in_s is None and use.report(0).clears_in_s == 0.0
