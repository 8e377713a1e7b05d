"""Results leave in the order of their frames in the log, whatever tasks, repeats, restarts and holes do."""

from datetime import datetime, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contracts.faces import FacesRecord, Status
from contracts.offsets import OffsetRange, SourceOffset
from workers.analytics.ordering import Arrival, PartitionOrder, Ready, WorkingTime

AT = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)
TOPICS = ("frames", "uploads")
ALL = 2**40


def result(offset: int, topic: str = "frames", log_id: str | None = None) -> FacesRecord:
    source = SourceOffset(topic, 0, offset)
    return FacesRecord(source, "gate-1", offset, AT, AT, Status.OK, log_id=log_id)


def whole() -> PartitionOrder:
    return PartitionOrder(dict.fromkeys(TOPICS, 0))


def take(order: PartitionOrder, offset: int, mark: int = 0, at_s: float = 0.0, **about: str) -> list[int]:
    offsets = OffsetRange(offset, offset + 1)
    topic = about.get("topic", "frames")
    return offsets_of(order.take(topic, offsets, mark, result(offset, **about), Arrival(at_s, at_s)))


def offsets_of(ready: list[Ready]) -> list[int]:
    return [one.result.source.offset for one in ready]


@st.composite
def faces_logs(draw: st.DrawFn) -> list[tuple[int, bool]]:
    """What tasks publish: source offsets in the order of `Faces`, and whether there is a result; some are repeated."""
    number = draw(st.integers(1, 40))
    gaps = draw(st.sets(st.integers(0, number - 1), max_size=number // 2))
    cuts = sorted({0, number, *draw(st.sets(st.integers(0, number), max_size=8))})
    tasks = [range(start, stop) for start, stop in pairwise(cuts)]
    order = draw(st.permutations([*tasks, *draw(st.lists(st.sampled_from(tasks), max_size=3))]))
    return [(offset, offset not in gaps) for task in order for offset in task]


@given(faces_logs(), st.data())
def test_one_process_after_the_other_takes_each_result_once_and_in_order(
    log: list[tuple[int, bool]], data: st.DataObject
) -> None:
    expected = sorted({offset for offset, has_result in log if has_result})
    saved, committed, stored, orders = list[int](), 0, "frames=0,uploads=0", 0
    while True:
        order, orders = PartitionOrder.resume(stored, TOPICS, {}), orders + 1
        taken, position = list(saved), committed
        dies_at = data.draw(st.integers(position, len(log))) if orders < 6 else len(log)
        for mark in range(position, dies_at):
            offset, has_result = log[mark]
            given_result = result(offset) if has_result else None
            for one in order.take("frames", OffsetRange(offset, offset + 1), mark, given_result, Arrival(0, 0)):
                if not taken or one.result.source.offset > taken[-1]:  # as a camera's state knows a repeat
                    taken.append(one.result.source.offset)
            if data.draw(st.integers(0, 4)) == 0:
                saved = list(taken)  # a process may die in between
                if data.draw(st.booleans()):
                    committed, stored = order.resume_from(mark + 1), order.encode()
        if dies_at == len(log):
            break
    assert taken == expected
    assert len(order) == 0


def test_what_is_held_up_leaves_with_what_held_it_up() -> None:
    order = whole()
    assert take(order, 0) == [0]
    assert [take(order, offset, mark=offset) for offset in (3, 2, 5)] == [[], [], []]
    assert len(order) == 3
    assert order.resume_from(9) == 2, "from there on all can be read that was settled above the hole"
    assert take(order, 2, mark=6) == [], "a repeat of what is held"
    assert take(order, 1, mark=7) == [1, 2, 3]
    assert order.encode() == "frames=4,uploads=0"
    assert take(order, 0, topic="uploads") == [0], "each topic has its own order"
    assert take(order, 1) == [1], "a repeat leaves at once: who took it knows"


def test_offsets_without_a_result_hold_up_nothing() -> None:
    order = whole()
    assert take(order, 5) == []
    assert offsets_of(order.take("frames", OffsetRange(0, 5), 1, None, Arrival(0, 0))) == [5]


def test_a_hole_is_passed_after_its_time_and_what_comes_then_is_late() -> None:
    order = whole()
    take(order, 2, at_s=10.0)
    take(order, 5, at_s=20.0)
    assert order.held_since_s() == 10.0
    assert order.pass_holes(9.9, ALL) == []
    assert offsets_of(order.pass_holes(10.0, ALL)) == [2]
    assert order.count_passed() == 2
    assert order.count_passed() == 0
    assert order.held_since_s() == 20.0
    (late,) = order.take("frames", OffsetRange(1, 2), 7, result(1), Arrival(11, 11))
    assert late.late
    (repeat,) = order.take("frames", OffsetRange(2, 3), 8, result(2), Arrival(11, 11))
    assert not repeat.late
    assert offsets_of(order.pass_holes(20.0, ALL)) == [5]
    assert order.count_passed() == 2
    assert order.held_since_s() is None
    assert order.encode() == "frames=6,uploads=0"


def test_too_many_that_are_held_pass_a_hole_too() -> None:
    order = whole()
    for offset in range(1, 12):
        take(order, offset)
    assert order.pass_holes(-1.0, 11) == []
    assert len(order.pass_holes(-1.0, 10)) == 11


def test_without_a_watermark_the_first_that_is_settled_is_the_first() -> None:
    order = PartitionOrder.resume("", TOPICS, {})
    assert order.encode() == ""
    assert take(order, 64) == [64]
    assert take(order, 66) == []
    assert take(order, 3) == [3]
    assert order.encode() == "frames=65"


def test_a_log_that_ends_before_the_watermark_is_another_one() -> None:
    order = PartitionOrder.resume("frames=50@old,uploads=7", TOPICS, {"frames": 10, "uploads": 7})
    assert order.encode() == "frames=0,uploads=7"
    order = PartitionOrder.resume("frames=50@id,rubbish,uploads=x", TOPICS, {"frames": 50})
    assert order.encode() == "frames=50@id"


def test_a_topic_that_is_made_anew_begins_anew() -> None:
    order = PartitionOrder.resume("frames=50@old,uploads=0", TOPICS, {})
    assert take(order, 50, log_id="old") == [50]
    assert take(order, 52, log_id="old") == []
    assert take(order, 0, log_id="new") == [52, 0], "nothing will be settled of the old one"
    assert take(order, 1, log_id="new") == [1]
    assert order.count_passed() == 1
    assert order.encode() == "frames=2@new,uploads=0"


def test_working_time_stands_still_while_nothing_comes() -> None:
    working = WorkingTime()
    assert working.at(1000.0) == 0.0
    assert working.hear(1000.0) == 0.0
    assert working.hear(1002.0) == 2.0
    assert working.at(1006.0) == 6.0
    assert working.at(5000.0) == 7.0
    assert working.hear(5000.0) == 7.0
    assert working.hear(4000.0) == 7.0, "the clock was set back"
    assert working.hear(4001.0) == 8.0
