"""The bridge's bookkeeping against a model, under any order of settles, losses, restarts and gaps."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.offsets import OffsetRange
from contracts.tasks import ISOLATED_FROM_ATTEMPT, DetectRange
from workers.bridge.ledger import PartitionLedger

BATCH, WINDOW = 8, 32


def _ledger(watermark=0, **changes):
    return PartitionLedger("frames", 0, watermark, **{"batch_size": BATCH, "window": WINDOW} | changes)


def _plan_all(ledger, now=0.0, *, workers_busy=False, elsewhere=0):
    tasks = []
    while (task := ledger.plan(now, workers_busy=workers_busy, elsewhere=elsewhere)) is not None:
        tasks.append(task)
    return tasks


def test_an_idle_camera_is_planned_frame_by_frame_and_a_backlog_in_batches():
    ledger = _ledger()
    ledger.observe_end(1, 0.0)
    assert [len(task.offsets) for task in _plan_all(ledger)] == [1]
    ledger.observe_end(101, 0.0)
    sizes = [len(task.offsets) for task in _plan_all(ledger)]
    assert sizes == [BATCH] * 3, "what is left of the window holds no whole batch"


def test_what_waits_for_idle_workers_is_cut_so_that_they_share_it_all_partitions_together():
    ledger = _ledger()
    ledger.observe_end(8, 0.0)
    assert [len(task.offsets) for task in _plan_all(ledger)] == [2, 2, 1, 1, 1, 1]
    ledger.observe_end(16, 0.0)
    assert len(ledger.plan(0.0, elsewhere=24).offsets) == 8, "three others have as much"


def test_what_gathered_while_workers_were_busy_is_not_cut():
    ledger = _ledger()
    ledger.observe_end(BATCH - 1, 0.0)
    assert [len(task.offsets) for task in _plan_all(ledger, workers_busy=True)] == [BATCH - 1]


def test_a_partition_has_a_backlog_while_a_full_task_can_be_planned():
    ledger = _ledger()
    ledger.observe_end(BATCH - 1, 0.0)
    assert not ledger.has_backlog
    ledger.observe_end(BATCH, 0.0)
    assert ledger.has_backlog
    _plan_all(ledger)
    assert not ledger.has_backlog


def test_a_range_is_not_cut_to_the_room_that_single_results_leave():
    ledger = _ledger()
    ledger.observe_end(1000, 0.0)
    _plan_all(ledger)
    for offset in range(BATCH - 1):
        ledger.settle(OffsetRange(offset, offset + 1), mark=offset)
        assert ledger.plan(0.0) is None
    ledger.settle(OffsetRange(BATCH - 1, BATCH), mark=BATCH)
    assert [len(task.offsets) for task in _plan_all(ledger)] == [BATCH]


def test_while_workers_are_busy_a_partition_gathers_until_its_task_is_back():
    ledger = _ledger()
    ledger.observe_end(1, 0.0)
    assert ledger.plan(0.0, workers_busy=True) is not None, "nothing of this partition is in flight"
    ledger.observe_end(BATCH, 0.0)
    assert ledger.plan(0.0, workers_busy=True) is None
    ledger.observe_end(BATCH + 1, 0.0)
    assert ledger.plan(0.0, workers_busy=True) is not None, "a full range is there"
    _plan_all(ledger)
    ledger.settle(OffsetRange(0, BATCH + 1), mark=0)
    ledger.observe_end(BATCH + 2, 0.0)
    assert ledger.plan(0.0, workers_busy=True) == DetectRange("frames", 0, BATCH + 1, BATCH + 2, 1)


def test_what_was_lost_is_planned_again_however_busy_the_workers_are():
    ledger = _ledger()
    ledger.observe_end(3, 0.0)
    first, _second = ledger.plan(0.0), ledger.plan(0.0)
    ledger.lose(first)
    again = ledger.plan(0.0, workers_busy=True)
    assert again is not None
    assert again.attempt == 2


def test_the_watermark_waits_for_the_lowest_offset():
    ledger = _ledger()
    ledger.observe_end(10, 0.0)
    _plan_all(ledger)
    ledger.settle(OffsetRange(1, 10), mark=100)
    assert (ledger.watermark, ledger.in_flight, ledger.lag) == (0, 1, 10)
    assert ledger.resume_from(200) == 100
    ledger.settle(OffsetRange(0, 1), mark=150)
    assert (ledger.watermark, ledger.in_flight, ledger.lag) == (10, 0, 0)
    assert ledger.resume_from(200) == 200


def test_a_task_lost_twice_is_cut_into_single_frames():
    ledger = _ledger()
    ledger.observe_end(40, 0.0)
    task = ledger.plan(0.0)
    assert (task.start, task.stop, task.attempt) == (0, 8, 1)
    ledger.settle(OffsetRange(0, 2), mark=0)
    ledger.lose(task)
    second = ledger.plan(0.0)
    assert (second.start, second.stop, second.attempt) == (2, 8, 2)
    ledger.lose(second)
    singles = [ledger.plan(0.0) for _ in range(6)]
    assert [(task.start, task.stop, task.attempt) for task in singles] == [(at, at + 1, 3) for at in range(2, 8)]
    assert all(task.isolated for task in singles)


def test_a_task_that_no_worker_had_is_planned_again_as_it_was():
    ledger = _ledger()
    ledger.observe_end(32, 0.0)
    task = ledger.plan(0.0)
    ledger.lose(task, was_tried=False)
    assert ledger.plan(0.0) == task


def test_what_settles_while_it_waits_to_be_planned_again_is_left_out():
    ledger = _ledger()
    ledger.observe_end(32, 0.0)
    task = ledger.plan(0.0)
    ledger.lose(task)
    ledger.settle(OffsetRange(2, 4), mark=0)
    again = [ledger.plan(0.0), ledger.plan(0.0)]
    assert [(task.start, task.stop) for task in again] == [(0, 2), (4, 8)]


def test_a_task_that_could_not_be_enqueued_keeps_its_attempt():
    ledger = _ledger()
    ledger.observe_end(1, 0.0)
    task = ledger.plan(0.0)
    ledger.withdraw(task)
    assert ledger.plan(0.0) == task


def test_an_upload_is_adopted_only_after_its_own_task_had_its_time():
    ledger = _ledger(adopt_after_s=3.0)
    ledger.observe_end(1, now=10.0)
    assert ledger.plan(12.9) is None
    ledger.observe_end(2, now=12.0)
    ledger.settle(OffsetRange(1, 2), mark=0)
    [task] = _plan_all(ledger, now=15.1)
    assert (task.start, task.stop) == (0, 1)


def test_a_new_bridge_takes_over_what_waits_in_the_queue_and_what_workers_hold():
    ledger = _ledger()
    ledger.observe_end(60, 0.0)
    ledger.settle(OffsetRange(0, 4), mark=7)
    ledger.settle(OffsetRange(12, 16), mark=8)
    waiting = [DetectRange("frames", 0, 16, 24, 2), DetectRange("frames", 0, 0, 4)]
    adopted = ledger.adopt(waiting)
    assert [(task.start, task.stop, task.attempt) for task in adopted] == [(4, 12, 1), (16, 24, 2)]
    assert ledger.plan(0.0).start == 24, "the rest is planned as ever"


def test_nobody_settles_what_was_not_written():
    ledger = _ledger()
    ledger.observe_end(5, 0.0)
    ledger.settle(OffsetRange(0, 10**12), mark=0)
    assert ledger.watermark == 5
    ledger.observe_end(6, 0.0)
    assert _plan_all(ledger)[0].start == 5


class _AnyHistory(RuleBasedStateMachine):
    """A log that grows, workers that settle all or part of their tasks in any order, losses, and bridges that restart.

    A restarted bridge knows the committed watermark and reads `Faces` again from the committed place.
    """

    def __init__(self):
        super().__init__()
        self.ledger = _ledger()
        self.end = 0
        self.faces = []  # what was published: (start, stop)
        self.read = 0
        self.flying = []
        self.settled = set()
        self.committed = (0, 0)
        self.now = 0.0

    @rule(count=st.integers(1, 60))
    def frames_arrive(self, count):
        self.end += count
        self.ledger.observe_end(self.end, self.now)

    @rule(workers_busy=st.booleans(), elsewhere=st.integers(0, 100))
    def the_bridge_plans(self, workers_busy, elsewhere):
        self.flying += _plan_all(self.ledger, self.now, workers_busy=workers_busy, elsewhere=elsewhere)

    @rule(data=st.data())
    def a_worker_publishes_a_part(self, data):
        if not self.flying:
            return
        task = data.draw(st.sampled_from(self.flying))
        start = data.draw(st.integers(task.start, task.stop - 1))
        stop = data.draw(st.integers(start + 1, task.stop))
        self.faces.append((start, stop))

    @rule()
    def the_bridge_reads(self):
        for mark in range(self.read, len(self.faces)):
            start, stop = self.faces[mark]
            self.ledger.settle(OffsetRange(start, stop), mark)
            self.settled |= set(range(start, stop))
        self.read = len(self.faces)
        self.flying = [task for task in self.flying if not self.ledger.is_settled(task)]

    @rule(data=st.data())
    def a_task_is_found_lost(self, data):
        if self.flying:
            task = data.draw(st.sampled_from(self.flying))
            self.flying.remove(task)
            self.ledger.lose(task)

    @rule()
    def the_bridge_commits(self):
        self.committed = (self.ledger.watermark, self.ledger.resume_from(self.read))

    @rule(data=st.data())
    def the_bridge_is_killed(self, data):
        """Some of its tasks still wait in the queue; of the others nobody knows."""
        waiting = [task for task in self.flying if data.draw(st.booleans())]
        watermark, self.read = self.committed
        self.ledger = _ledger(watermark)
        self.ledger.observe_end(self.end, self.now)
        self.flying = []
        self.the_bridge_reads()
        self.flying = self.ledger.adopt(waiting)
        for task in self.flying:
            assert set(range(task.start, task.stop)) - self.settled

    @invariant()
    def nothing_unsettled_lies_below_the_watermark(self):
        assert set(range(self.ledger.watermark)) <= self.settled

    @invariant()
    def the_window_holds(self):
        assert self.ledger.in_flight <= WINDOW

    @invariant()
    def what_is_planned_and_unsettled_is_with_somebody(self):
        """It flies, or comes again: nothing is forgotten between the two."""
        known = {offset for task in self.flying for offset in range(task.start, task.stop)}
        known |= {offset for task in self.ledger._again for offset in range(task.start, task.stop)}
        seen = {offset for start, stop in self.faces[: self.read] for offset in range(start, stop)}
        assert set(range(self.ledger.watermark, self.ledger.planned_to)) - seen <= known

    @invariant()
    def every_planned_offset_is_in_flight_or_settled_or_comes_again(self):
        assert self.ledger.planned_to <= self.end

    def teardown(self):
        """However it went: workers that answer end it with every offset settled."""
        for _ in range(10 + 4 * self.end):
            self.flying += _plan_all(self.ledger, self.now)
            for task in self.flying:
                assert not task.isolated or len(task.offsets) == 1
                self.faces.append((task.start, task.stop))
            self.the_bridge_reads()
            if self.ledger.watermark == self.end:
                break
        assert self.ledger.watermark == self.end
        assert self.settled == set(range(self.end))
        assert self.ledger.in_flight == 0


_AnyHistory.TestCase.settings = hypothesis_settings(max_examples=200, stateful_step_count=40, deadline=None)
TestAnyHistory = _AnyHistory.TestCase


@pytest.mark.parametrize("attempt", range(1, ISOLATED_FROM_ATTEMPT + 2))
def test_attempts_are_counted_without_end(attempt):
    ledger = _ledger()
    ledger.observe_end(1, 0.0)
    task = ledger.plan(0.0)
    for _ in range(attempt - 1):
        ledger.lose(task)
        task = ledger.plan(0.0)
    assert task.attempt == attempt


def test_uploads_whose_own_tasks_may_still_wait_are_adopted_only_when_overtaken():
    ledger = _ledger(adopt_after_s=3.0, first_attempt=2)
    ledger.observe_end(4, 0.0)
    assert ledger.plan(10.0, own_tasks_wait=True) is None
    ledger.settle(OffsetRange(2, 3), mark=0)
    tasks = [ledger.plan(10.0, own_tasks_wait=True) for _ in range(3)]
    assert [(task.start, task.stop, task.attempt) for task in tasks if task] == [(0, 1, 2), (1, 2, 2)]
    assert (task := ledger.plan(10.0)) is not None
    assert (task.start, task.stop) == (3, 4), "the queue is empty, so its own task is gone"
