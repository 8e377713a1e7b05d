import multiprocessing
import threading
import time

from workers.watchdog import Deafness, WarmProcesses, Watchdog


def _observe(deafness, now, waiting=5, running=0, warm=1, taken=3):
    return deafness.observe(waiting=waiting, running=running, warm=warm, taken=taken, now=now)


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
    watchdog = Watchdog(lambda: 0, lambda: 0, lambda: 1, lambda: 0.0)
    watchdog.start()
    watchdog.took_a_task()
    watchdog.close()
    assert threading.active_count() == before


def test_a_worker_that_loads_its_model_is_not_deaf_however_long_that_takes():
    deafness = Deafness()
    assert not any(_observe(deafness, now, warm=0) for now in (0.0, 30.0, 300.0))
    assert [_observe(deafness, now) for now in (301.0, 319.0, 320.0)] == [False, False, True], "20 s after it is warm"


def test_a_process_is_warm_from_when_it_says_so_until_it_ends():
    warm, context = WarmProcesses(3), multiprocessing.get_context("fork")

    def work(is_loaded):
        if is_loaded:
            warm.add()
        time.sleep(60)

    def wait_for(count):
        deadline = time.monotonic() + 20
        while warm.count() != count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    cold = context.Process(target=work, args=(False,))
    cold.start()
    pool = [cold]
    try:
        for _ in range(3):
            fresh = [context.Process(target=work, args=(True,)) for _ in range(2)]
            for process in fresh:
                process.start()
            pool += fresh
            wait_for(2)
            for process in fresh:
                process.kill()
                process.join()
            assert warm.count() == 0, "what takes their place has to load first"
    finally:
        for process in pool:
            process.kill()
            process.join()
