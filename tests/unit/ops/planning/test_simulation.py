"""The simulated flow keeps the promise: each frame is stored once, whatever is lost on the way."""

from dataclasses import replace

import pytest

from ops.planning.arrivals import Arrivals, Surge
from ops.planning.simulation import Outage, Scenario, simulate

SMALL = Scenario(
    cameras=20,
    fps=2.0,
    partitions=4,
    bridges=1,
    sinks=1,
    workers=2,
    detect_ms=13.0,
    worker_ms=1.7,
    bridge_ms=0.6,
    sink_ms=0.5,
    seconds=12.0,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"workers_lost": Outage(3, 6)},
        {"workers_lost": Outage(3, 6), "lost_share": 0.5},
        {"broker_away": Outage(3, 6)},
        {"redis_wiped": 3.0, "workers_lost": Outage(2, 5)},
        {"surges": (Surge(3, 5, 3.0),)},
    ],
    ids=["steady", "all workers", "half the workers", "broker", "redis and workers", "surge"],
)
def test_every_frame_is_stored_once(changes: dict[str, object]):
    found = simulate(replace(SMALL, **changes))
    assert found.caught_up_s is not None
    assert found.stored == found.sent >= 470
    assert found.lag_frames[-1] == 0


def test_the_same_seed_gives_the_same_run():
    assert simulate(SMALL) == simulate(SMALL)
    assert simulate(SMALL).lag_frames != simulate(replace(SMALL, seed=2)).lag_frames


def test_what_is_too_slow_falls_behind():
    found = simulate(replace(SMALL, detect_ms=80.0, seconds=8.0))
    assert found.lag_frames[16] > found.lag_frames[8] > found.lag_frames[4]
    assert found.busy["workers"] > 0.9


def test_a_lost_pool_costs_time_and_repeats_nothing():
    found = simulate(replace(SMALL, workers_lost=Outage(3, 6)))
    assert 2.5 < found.age_p99_s < 6
    assert found.repeated == 0
    assert max(found.lag_frames) >= 100


def test_arrivals_and_their_times_agree():
    arrivals = Arrivals((Surge(10, 20, 3.0),))
    assert [arrivals.count(at) for at in (5, 10, 15, 20, 30)] == [5, 10, 25, 40, 50]
    for at in (0.0, 9.5, 12.0, 19.9, 25.0):
        assert arrivals.when(arrivals.count(at)) == pytest.approx(at)
    with pytest.raises(ValueError, match="in order"):
        Arrivals((Surge(10, 20, 3.0), Surge(15, 25, 2.0)))
