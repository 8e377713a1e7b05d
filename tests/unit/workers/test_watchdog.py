import threading

from workers.watchdog import Deafness, Watchdog


def _observe(deafness, now, waiting=5, running=0, taken=3):
    return deafness.observe(waiting=waiting, running=running, taken=taken, now=now)


def test_a_worker_that_takes_nothing_while_tasks_wait_is_deaf():
    deafness = Deafness()
    assert [_observe(deafness, now) for now in (0.0, 10.0, 19.9, 20.0)] == [False, False, False, True]


def test_a_busy_an_idle_and_a_taking_worker_are_not():
    for hearing in ({"running": 1}, {"waiting": 0}, {"taken": 4}):
        deafness = Deafness()
        _observe(deafness, 0.0)
        assert not _observe(deafness, 15.0, **hearing)
        assert not _observe(deafness, 30.0, **{**hearing, "waiting": hearing.get("waiting", 5)} | {"running": 0})


def test_it_stops_when_it_is_told():
    before = threading.active_count()
    watchdog = Watchdog(lambda: 0, lambda: 0, lambda: 0.0)
    watchdog.start()
    watchdog.took_a_task()
    watchdog.close()
    assert threading.active_count() == before
