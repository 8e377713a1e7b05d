"""A small backlog. The long one, against what is live, is `python -m bench.backlog_order`."""

import pytest

from bench.backlog_order import Trial, is_right, run


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_backlog_with_killed_workers_gives_what_its_frames_give_in_order():
    found = run(Trial(cameras=4, frames=120, kills=2, live=0), lambda text: None)
    assert is_right(found), found
