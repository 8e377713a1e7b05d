"""Frames in the order of arrival: brought into that of a session, and sessions and wrong dates told apart."""

import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.tracking import Dated, LeapGuard, ReorderWindow

Sent = tuple[int, float]
"""A frame's number and time."""


def pushed(window: ReorderWindow[Sent], frames: Sequence[Sent]) -> list[Sent]:
    out = [ordered.frame for frame in frames for ordered in window.push(*frame, frame)]
    return out + [ordered.frame for ordered in window.flush()]


def begun(*frames: Sent) -> ReorderWindow[Sent]:
    """Return a window that these frames have left."""
    window = ReorderWindow[Sent](most_frames=3, most_s=1.0)
    pushed(window, frames)
    return window


@given(st.permutations(range(12)))
def test_frames_leave_the_window_in_order_and_once(order: list[int]) -> None:
    window = ReorderWindow[int](most_frames=12, most_s=5.0)
    out = [ordered.frame for number in [*order, *order] for ordered in window.push(number, number / 5, number)]
    out += [ordered.frame for ordered in window.flush()]
    assert out == list(range(12))
    assert (window.repeated, window.late) == (12, 0)


@given(st.integers(1, 1000), st.lists(st.floats(0, 1.9), min_size=30, max_size=30), st.integers(1, 30))
def test_any_order_of_arrival_within_the_window_leaves_in_order(first: int, delays: list[float], fps: int) -> None:
    frames = [(first + number, 100 + number / fps) for number in range(30)]
    arrived = sorted(zip(frames, delays, strict=True), key=lambda one: one[0][1] + one[1])
    window = ReorderWindow[Sent](most_frames=60)
    assert pushed(window, [frame for frame, _ in arrived]) == frames
    assert (window.late, window.repeated) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40), st.floats(-9.5, 30), st.integers(1, 3)), min_size=1),
    st.integers(1, 30),
)
def test_sessions_that_start_over_lose_nothing(sessions: list[tuple[int, int, float, int]], fps: int) -> None:
    """Sessions begin with any number, up to 9.5 s before the last one's end, with gaps; the first lasts for 11 s."""
    sent: list[Sent] = [(number, 1000 + number / fps) for number in range(11 * fps)]
    at_s = sent[-1][1]
    for first, length, later_s, step in sessions:
        begin_s = at_s + later_s + 1e-3
        session = [(first + step * number, begin_s + number / fps) for number in range(length)]
        at_s = session[-1][1]
        sent += session
    window = ReorderWindow[Sent]()
    out = pushed(window, sent)
    assert window.late == 0
    assert set(out) == set(sent)


def test_a_gap_is_waited_for_only_so_long() -> None:
    window = begun((0, 0.0))
    assert [o.frame_id for o in window.push(1, 0.1, (1, 0.1))] == [1]
    assert window.push(3, 0.3, (3, 0.3)) == []
    assert [o.frame_id for o in window.push(5, 1.4, (5, 1.4))] == [3]
    assert window.push(2, 0.2, (2, 0.2)) == [] and window.late == 1
    assert [o.frame_id for o in window.flush()] == [5]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([(0, 0.0), (100, 10.0)], [(0, 11.0), (1, 11.2)]),  # renumbered
        ([(number, number / 5) for number in range(6)], [(0, 1.2), (1, 1.4), (2, 1.6)]),  # from 5 back to 0
        ([(number, number / 5) for number in range(6)], [(0, 0.1), (1, 0.3), (2, 0.5)]),  # and the clock set back
        ([(number, number / 5) for number in range(6)], [(6, -3.8), (7, -3.6)]),  # only the clock
        ([(7, 0.0)], [(7, 0.4), (7, 0.8)]),  # always the same number
    ],
)
def test_a_session_that_starts_over_is_not_late(before: list[Sent], after: list[Sent]) -> None:
    window = begun(*before)
    assert pushed(window, after) == after
    assert (window.late, window.repeated) == (0, 0)


@pytest.mark.parametrize("offset_s", [0.0, 0.03, -0.04, 1.3])
@pytest.mark.parametrize("first_id", [0, 1000, 1003])
def test_producers_that_share_an_id_lose_nothing(first_id: int, offset_s: float) -> None:
    """Two cameras that number their frames each in its own way send under one id."""
    one = [(1000 + number, 50 + number / 5) for number in range(100)]
    other = [(first_id + number, 50.1 + offset_s + number / 5) for number in range(100)]
    both = [frame for pair in zip(one, other, strict=True) for frame in pair]
    window = begun(*[(990 + number, 48 + number / 5) for number in range(10)])
    out = pushed(window, both)
    assert sorted(out) == sorted(both)
    assert window.late == 0
    late_s = [
        max(0.0, *(before[1] for before in out[:place])) - frame[1] for place, frame in enumerate(out) if place > 20
    ]
    assert max(late_s) <= max(abs(offset_s), 0.1) + 0.3, "they leave about as they came"


def test_a_window_continues_from_its_state() -> None:
    generator = random.Random(3)
    frames = [(number % 90, 10 + number / 7) for number in range(300)]
    frames = sorted(frames, key=lambda one: one[1] + generator.uniform(0, 1.2)) + frames[::5]
    whole, out, window = ReorderWindow[Sent](), [], ReorderWindow[Sent]()
    for frame in frames:
        out += window.push(*frame, frame)
        state, waiting = json.loads(json.dumps(window.state())), window.waiting()
        window = ReorderWindow[Sent]()
        window.resume(state, waiting)
    assert out == [ordered for frame in frames for ordered in whole.push(*frame, frame)]
    assert window.state() == whole.state()


def dated(number: int, at_s: float, received_s: float | None) -> Dated[int]:
    return Dated(number, at_s, received_s, number)


def steady(count: int, first: int = 0, fps: float = 5.0, skew_s: float = 0.0) -> list[Dated[int]]:
    """Frames that the log receives as they are taken, on a clock that is wrong by so much."""
    return [dated(n, 1000 + n / fps + skew_s, 1000.05 + n / fps) for n in range(first, first + count)]


def passed(guard: LeapGuard[int], frames: Sequence[Dated[int]], is_live: bool = True) -> list[tuple[int, float, bool]]:
    out = [one for frame in frames for one in guard.push(frame, is_live=is_live)]
    return [(one.frame.frame_id, round(one.at_s, 3), one.is_set) for one in out]


@pytest.mark.parametrize("skew_s", [0.0, -7200.0, 200.0])
@pytest.mark.parametrize("leap_s", [4.0, 30.0, 240.0, 3600.0, 86400.0, -4.0, -30.0, -3600.0, -86400.0])
def test_one_frame_with_a_wrong_date_passes_under_the_time_of_its_receipt(leap_s: float, skew_s: float) -> None:
    frames = steady(40, skew_s=skew_s)
    guard = LeapGuard[int]()
    wrong = dated(20, frames[20].at_s + leap_s, frames[20].received_s)
    out = passed(guard, [*frames[:20], wrong, *frames[21:]])
    assert out == [(n, round(1000 + n / 5 + skew_s, 3), False) for n in range(40)]
    assert (guard.redated, guard.set) == (1, 0)


@pytest.mark.parametrize("leap_s", [30.0, 3600.0, -30.0, -3600.0, -86400.0])
def test_a_clock_that_is_set_begins_with_its_first_frame(leap_s: float) -> None:
    guard = LeapGuard[int]()
    out = passed(guard, [*steady(20), *steady(20, first=20, skew_s=leap_s)])
    assert [(number, is_set) for number, _, is_set in out] == [(n, n == 20) for n in range(40)]
    assert out[20][1] == 1004 + leap_s
    assert (guard.redated, guard.set) == (0, 1)


@pytest.mark.parametrize(
    "frames",
    [
        steady(30, fps=0.1),
        [dated(n, 1000 + n / 5, 1000 + n / 500) for n in range(500)],  # loaded in one go
        [dated(n, 1000 + n / 5 + (n >= 50) * 3600, 1000 + n / 5 + (n >= 50) * 3600) for n in range(100)],  # was off
        [dated(n, 1000 + n / 5, 1000 + max(n / 5, 60)) for n in range(400)],  # a network that stood still for a minute
        [dated(n, 1000 + number / 5, 1000 + n / 5) for n, number in enumerate([0, 2, 1, 9, 4, 3, 8, 5, 7, 6, 10])],
    ],
)
def test_what_is_no_leap_passes_at_once(frames: list[Dated[int]]) -> None:
    guard = LeapGuard[int]()
    for frame in frames:
        assert [one.at_s for one in guard.push(frame)] == [frame.at_s]


def test_a_time_lapse_that_is_loaded_in_one_go_is_one_frame_late_and_a_recording_is_not() -> None:
    frames = [dated(n, 1000 + 60 * n * (1 + n % 3), 1000 + n / 500) for n in range(0, 90, 3)]
    guard = LeapGuard[int]()
    assert [at_s for _, at_s, _ in passed(guard, frames)] == [frame.at_s for frame in frames[:-1]]
    assert guard.redated == 0
    assert len(guard.flush()) == 1
    recording = LeapGuard[int]()
    assert [at_s for _, at_s, _ in passed(recording, frames, is_live=False)] == [frame.at_s for frame in frames]


def test_two_clocks_under_one_id_keep_to_that_of_the_first() -> None:
    frames = [frame for n in range(50) for frame in (*steady(1, n), *steady(1, n, skew_s=3600))]
    guard = LeapGuard[int]()
    out = passed(guard, frames)
    assert max(at_s for _, at_s, _ in out) < 1010
    assert guard.redated == 49 and guard.set == 0


def test_a_guard_continues_from_its_state() -> None:
    generator = random.Random(5)
    frames = [dated(n, 1000 + n / 5 + generator.choice([0, 0, 0, 0, 60, 3600, -500]), 1000 + n / 5) for n in range(200)]
    whole, out, guard = LeapGuard[int](), [], LeapGuard[int]()
    for frame in frames:
        out += guard.push(frame)
        state, held = json.loads(json.dumps(guard.state())), guard.held
        guard = LeapGuard[int]()
        guard.resume(state, held)
    assert out == [one for frame in frames for one in whole.push(frame)]
    assert guard.state() == whole.state()
