import pytest

from contracts.tasks import DetectRange
from workers.bridge.loss import LossDetector


def _task(start, partition=0, attempt=1):
    return DetectRange("frames", partition, start, start + 1, attempt)


def _measured(service_s=0.1):
    """A detector that has measured steady service times: its patience is the least, 2 s."""
    detector = LossDetector()
    for _ in range(50):
        detector.measured(service_s)
    return detector


def _repeated(tasks, attempt=1):
    """A detector whose tasks went with a queue emptied at 1 s, and were enqueued again at 2 s."""
    detector = _measured(service_s=0.4)
    for start in range(tasks):
        detector.enqueued(_task(start, attempt=attempt), now=0.0)
    detector.emptied(now=1.0, waiting=[])
    for task in detector.gone_with_queue(2.0):
        detector.enqueued(task, now=2.0)
    return detector


def test_a_task_that_was_overtaken_is_lost_after_a_few_service_times():
    detector = _measured()
    for start in (0, 1):
        detector.enqueued(_task(start), now=0.0)
    detector.settled(_task(1), now=1.0, by_itself=True)
    assert detector.lost(now=2.9, waiting=5) == []
    assert detector.lost(now=3.1, waiting=5) == [_task(0)]
    assert len(detector) == 0


def test_a_long_backlog_loses_nothing():
    detector = _measured()
    for start in range(100):
        detector.enqueued(_task(start), now=0.0)
    for start in range(50):
        detector.settled(_task(start), now=float(start * 10), by_itself=True)
    assert detector.lost(now=10_000.0, waiting=50) == []


def test_an_absent_pool_loses_nothing():
    detector = _measured()
    detector.enqueued(_task(0), now=0.0)
    assert detector.lost(now=100_000.0, waiting=1) == []


def test_what_was_in_a_queue_that_is_known_to_be_emptied_is_lost_after_two_service_times():
    detector = _measured(service_s=0.4)
    detector.enqueued(_task(0), now=0.0)
    detector.enqueued(_task(2), now=0.9)
    detector.emptied(now=1.0, waiting=[_task(2)])
    detector.enqueued(_task(1), now=1.1)
    assert detector.in_doubt(1.7)
    assert detector.gone_with_queue(1.7) == []
    assert not detector.in_doubt(2.0)
    assert detector.gone_with_queue(2.0) == [_task(0)]
    assert _task(1) in detector, "it was enqueued since"
    assert _task(2) in detector, "it waits in the new queue"


def test_a_late_answer_to_a_task_that_was_repeated_overtakes_nobody():
    detector = _repeated(3)
    detector.settled(_task(2), now=2.1, by_itself=True)
    assert detector.lost(now=60.0, waiting=1) == []


def test_what_is_lost_among_repeated_tasks_is_found_before_the_last_of_them_is_through():
    """A worker is killed soon after Redis was emptied, with half a minute of repeated tasks in the queue."""
    detector = _repeated(100)
    found = {}
    for start in range(1, 20):
        now = 2.0 + 0.4 * start
        detector.settled(_task(start), now, by_itself=True)
        found |= dict.fromkeys(detector.lost(now, waiting=80), now)
    assert list(found) == [_task(0)]
    assert 4.0 + 2.0 < found[_task(0)] < 7.0, "patience until the answers are believed, and patience again"


def test_an_answer_that_kafka_held_up_may_still_be_that_to_the_first_of_two():
    detector = _repeated(3)
    detector.forgive(now=100.0)
    detector.settled(_task(2), now=100.1, by_itself=True)
    assert detector.lost(now=200.0, waiting=1) == []


def test_an_isolated_task_may_take_longer_than_patience_so_its_repeat_overtakes_nobody():
    detector = _repeated(3, attempt=3)
    detector.settled(_task(2, attempt=3), now=30.0, by_itself=True)
    assert detector.lost(now=60.0, waiting=1) == []


def test_a_sign_of_life_counts_for_more_than_an_emptied_queue():
    detector = _measured(service_s=0.4)
    detector.enqueued(_task(0, attempt=3), now=0.0)
    detector.alive(_task(0, attempt=3), now=0.5)
    detector.emptied(now=1.0, waiting=[])
    assert detector.gone_with_queue(5.0) == []
    assert detector.lost(now=5.0, waiting=0) == []


def test_what_went_with_a_queue_is_in_doubt_anew_after_an_absence():
    detector = _measured(service_s=0.4)
    detector.enqueued(_task(0), now=0.0)
    detector.emptied(now=1.0, waiting=[])
    detector.forgive(now=100.0)
    assert detector.gone_with_queue(100.5) == []
    assert detector.gone_with_queue(101.5) == [_task(0)]


def test_an_emptied_queue_loses_what_brings_no_result():
    detector = _measured()
    for start in (0, 1):
        detector.enqueued(_task(start), now=0.0)
    assert detector.lost(now=1.0, waiting=0) == [], "it was seen empty only now"
    assert detector.lost(now=2.9, waiting=0) == []
    assert detector.lost(now=3.1, waiting=0) == [_task(0), _task(1)]


def test_an_empty_queue_is_no_loss_while_results_come():
    detector = _measured()
    for start in (0, 1):
        detector.enqueued(_task(start), now=0.0)
    detector.lost(now=0.0, waiting=0)
    detector.progressed(now=2.5)
    assert detector.lost(now=4.0, waiting=0) == []
    assert detector.lost(now=4.6, waiting=0) == [_task(0), _task(1)]


def test_patience_follows_the_measured_service_times():
    detector = LossDetector()
    assert detector.patience_s == 15.0, "nothing is measured yet"
    for _ in range(100):
        detector.measured(2.0)
    assert detector.patience_s == pytest.approx(5.0, abs=0.1)
    detector.measured(10.0)
    assert detector.patience_s > 20


def test_a_task_is_not_lost_while_its_worker_gives_signs_of_life():
    detector = _measured()
    for task in (_task(0, attempt=3), _task(1, attempt=3), _task(2)):
        detector.enqueued(task, now=0.0)
    for now in (0.5, 3.5, 6.5):
        detector.alive(_task(0, attempt=3), now)
    detector.settled(_task(2), now=1.0, by_itself=True)
    assert detector.lost(now=3.1, waiting=1) == [_task(1, attempt=3)], "of this one nobody has heard"
    assert detector.lost(now=16.4, waiting=0) == []
    assert detector.lost(now=16.6, waiting=0) == [_task(0, attempt=3)], "its worker is gone"


def test_a_sign_of_life_of_no_flight_is_left_alone():
    detector = _measured()
    detector.alive(_task(0), now=0.0)
    assert len(detector) == 0


def test_silence_while_kafka_was_away_proves_nothing():
    detector = _measured()
    for start in (0, 1, 2):
        detector.enqueued(_task(start), now=0.0)
    detector.settled(_task(1), now=1.0, by_itself=True)
    detector.lost(now=1.0, waiting=0)
    detector.forgive(now=60.0)
    assert detector.lost(now=61.0, waiting=0) == []
    assert detector.lost(now=62.1, waiting=0) == [_task(0)]
    assert detector.lost(now=63.1, waiting=0) == [_task(2)]


def test_flights_of_a_partition_that_went_to_another_bridge_are_forgotten():
    detector = _measured()
    detector.enqueued(_task(0, partition=0), now=0.0)
    detector.enqueued(_task(0, partition=1), now=0.0)
    detector.forget("frames", 0)
    assert detector.flights_of("frames", 0) == []
    assert detector.flights_of("frames", 1) == [_task(0, partition=1)]
    detector.settled(_task(0, partition=0), now=1.0, by_itself=True)
    assert len(detector) == 1


def test_a_late_answer_to_an_earlier_attempt_overtakes_nobody():
    """Karn's rule: the repeat stands at the end of the queue, and what is before it still waits."""
    detector = _measured()
    detector.enqueued(_task(5), now=0.0)
    detector.enqueued(_task(0, attempt=2), now=0.0)
    detector.settled(_task(0, attempt=2), now=1.0, by_itself=False)
    assert detector.lost(now=1000.0, waiting=1) == []
    assert len(detector) == 1


def test_tasks_that_were_adopted_partition_by_partition_are_overtaken_in_the_order_of_the_queue():
    detector = _measured()
    for partition in (0, 1):
        for start in (0, 1):
            detector.enqueued(_task(start, partition), now=0.0)
    detector.wait_in_order([_task(9), _task(0, 0), _task(0, 1), _task(1, 0), _task(1, 1)])
    detector.settled(_task(0, 1), now=1.0, by_itself=True)
    assert detector.lost(now=10.0, waiting=2) == [_task(0, 0)], "the others come later in the queue"
