from contracts.tasks import QUEUE_AGAIN, QUEUE_DETECT, QUEUE_DETECT_GPU, QUEUE_INTERACTIVE, DetectRange
from workers.bridge.pools import Pools


def _pools():
    queues = {"frames": (QUEUE_DETECT_GPU, QUEUE_DETECT), "uploads": (QUEUE_INTERACTIVE,)}
    return Pools(queues, {"frames": QUEUE_AGAIN}, most=64)


def _task(start):
    return DetectRange("frames", 0, start, start + 1)


def test_without_a_gpu_everything_goes_to_the_cpus():
    pools = _pools()
    assert pools.choose("frames").queue == QUEUE_DETECT
    assert pools.choose("uploads").queue == QUEUE_INTERACTIVE


def test_a_gpu_is_filled_first_and_the_cpus_take_the_overflow():
    pools = _pools()
    gpu = pools.of("frames")[0]
    gpu.present = True
    chosen = []
    for start in range(12):
        pool = pools.choose("frames")
        pool.losses.enqueued(_task(start), now=0.0)
        chosen.append(pool.queue)
    assert chosen == [QUEUE_DETECT_GPU] * 4 + [QUEUE_DETECT] * 8
    gpu.losses.settled(_task(0), now=1.0, by_itself=True)
    assert pools.choose("frames") is gpu


def test_a_task_is_found_in_the_pool_that_has_it():
    pools = _pools()
    cpu = pools.of("frames")[1]
    cpu.losses.enqueued(_task(5), now=0.0)
    assert pools.holding(_task(5)) is cpu
    assert pools.holding(_task(6)) is None
    assert pools.of("strange") == ()


def test_what_was_lost_has_a_queue_of_its_own_that_makes_nobody_busy():
    pools = _pools()
    again = pools.again("frames")
    assert again.queue == QUEUE_AGAIN
    assert pools.again("uploads") is None
    again.losses.enqueued(_task(7), now=0.0)
    assert pools.holding(_task(7)) is again
    assert again in pools.all
    assert again not in pools.served("frames")
    assert pools.usual("frames").queue == QUEUE_DETECT
