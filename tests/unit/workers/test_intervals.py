from hypothesis import given
from hypothesis import strategies as st

from workers.intervals import IntervalSet

_SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10), st.integers(0, 99)), max_size=20)


@given(_SPANS, st.integers(0, 50), st.integers(0, 50))
def test_it_holds_what_a_set_of_offsets_holds(spans, start, stop):
    intervals, model = IntervalSet(), set()
    for first, length, mark in spans:
        intervals.add(first, first + length, mark)
        model |= set(range(first, first + length))
    assert len(intervals) == len(model)
    holes = [offset for hole in intervals.missing(start, stop) for offset in range(hole.start, hole.stop)]
    assert holes == [offset for offset in range(start, stop) if offset not in model]
    assert intervals.smallest_mark() == min((mark for *_, mark in spans), default=None)


@given(_SPANS)
def test_intervals_come_off_in_order_and_never_touch(spans):
    intervals, model = IntervalSet(), set()
    for first, length, mark in spans:
        intervals.add(first, first + length, mark)
        model |= set(range(first, first + length))
    at = 0
    while model:
        stop = intervals.pop_first_if_at(at)
        if stop is None:
            assert at not in model
            at += 1
            continue
        assert stop not in model
        model -= set(range(stop))
        at = stop
    assert len(intervals) == 0
