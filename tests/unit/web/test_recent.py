import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from contracts.offsets import SourceOffset
from web.services.recent import RecentResults


def test_a_result_that_came_before_somebody_waits_is_not_missed(make_record):
    recent = RecentResults()
    assert recent.add(make_record(3))
    assert recent.wait_for(SourceOffset("frames", 0, 3), None, 0) == make_record(3)


def test_the_first_result_of_a_frame_stays(make_record):
    recent = RecentResults()
    assert recent.add(make_record(3, faces=1))
    assert not recent.add(make_record(3, faces=2))
    assert recent.wait_for(SourceOffset("frames", 0, 3), None, 0) == make_record(3, faces=1)


def test_the_same_place_in_another_log_is_another_frame(make_record):
    recent = RecentResults()
    old, new = (replace(make_record(3, faces=faces), log_id=log_id) for faces, log_id in ((2, "old"), (0, "new")))
    assert recent.add(old)
    assert recent.wait_for(old.source, "new", 0.01) is None
    assert recent.add(new), "what the new log brings is not taken for a repeat"
    assert not recent.add(new)
    assert recent.wait_for(new.source, "new", 0) == new
    assert recent.wait_for(old.source, "old", 0) == old
    assert recent.waiting() == 0


def test_all_who_wait_for_a_frame_are_woken_and_others_are_not(make_record):
    recent = RecentResults()
    with ThreadPoolExecutor(3) as threads:
        two = [threads.submit(recent.wait_for, SourceOffset("frames", 0, 3), None, 10) for _ in range(2)]
        other = threads.submit(recent.wait_for, SourceOffset("frames", 0, 4), None, 0.3)
        while recent.waiting() < 3:
            time.sleep(0.001)
        started_s = time.monotonic()
        recent.add(make_record(3))
        assert [future.result() for future in two] == [make_record(3)] * 2
        assert time.monotonic() - started_s < 5
        assert other.result() is None
    assert recent.waiting() == 0


def test_nothing_is_left_of_those_who_waited_in_vain():
    recent = RecentResults()
    assert recent.wait_for(SourceOffset("frames", 0, 3), None, 0.01) is None
    assert recent.waiting() == 0


def test_the_oldest_are_forgotten_by_their_size(make_record):
    recent = RecentResults(capacity_faces=20)
    recent.add(make_record(0, faces=9))
    recent.add(make_record(1, faces=9))
    recent.add(make_record(2))
    assert recent.wait_for(SourceOffset("frames", 0, 0), None, 0) is None
    assert recent.wait_for(SourceOffset("frames", 0, 1), None, 0) is not None
    recent.add(make_record(3, faces=500))
    assert recent.wait_for(SourceOffset("frames", 0, 3), None, 0) is not None
    assert recent.wait_for(SourceOffset("frames", 0, 2), None, 0) is None


def test_many_threads_each_get_their_own(make_record):
    recent, count = RecentResults(), 200
    with ThreadPoolExecutor(16) as threads:
        adding = threading.Thread(target=lambda: [recent.add(make_record(offset)) for offset in range(count)])
        adding.start()
        waits = [
            threads.submit(recent.wait_for, SourceOffset("frames", 0, offset), None, 10) for offset in range(count)
        ]
        assert [wait.result().frame_id for wait in waits] == list(range(count))
        adding.join()
