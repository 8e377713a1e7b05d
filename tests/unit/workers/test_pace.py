from workers.bridge.pace import Pace


def _after(service_s, frames, most=64, times=100):
    pace = Pace(most)
    for _ in range(times):
        pace.measured(service_s, frames)
    return pace.frames


def test_a_task_is_about_four_fifths_of_a_second():
    assert _after(1.6, 16) == 8
    assert _after(0.05, 1) == 16
    assert _after(3.0, 1) == 1, "a frame at least"
    assert _after(0.001, 1) == 64, "the most that is allowed"


def test_before_anything_is_measured_it_is_moderate():
    assert Pace(64).frames == 16
    assert Pace(4).frames == 4


def test_one_slow_task_does_not_change_much():
    pace = Pace(64)
    for _ in range(100):
        pace.measured(0.4, 16)
    pace.measured(1.6, 16)
    assert 16 < pace.frames < 32
