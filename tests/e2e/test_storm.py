"""A short storm. The long ones are `python -m bench.storm`."""

import pytest

from bench.storm import Storm, run


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_short_storm_loses_and_doubles_nothing():
    told = []
    damage, _ = run(Storm(frames=500, cameras=5, rate=20, faults=9, poison=250, seed=7), told.append)
    assert damage.total == 0, f"{damage}\n" + "\n".join(told)
    assert damage.in_log >= 500
    assert len(damage.faults) == 9
