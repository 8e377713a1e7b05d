import json

import pytest
import redis

from contracts.errors import UnavailableError
from contracts.tasks import QUEUE_DETECT, QUEUE_INTERACTIVE, TASK_DETECT_RANGE, DetectRange
from messaging.tasks import TaskQueue, ping_redis


def test_a_task_is_small_and_names_a_place_in_the_log(settings):
    queue, task = TaskQueue(settings), DetectRange("frames", 3, 100, 116)
    try:
        queue.enqueue(task)
        queue.enqueue(task, QUEUE_INTERACTIVE)
        assert (queue.length(QUEUE_DETECT), queue.length(QUEUE_INTERACTIVE)) == (1, 1)
        with redis.Redis.from_url(settings.redis_url) as client:
            message = client.lindex(QUEUE_DETECT, 0)
        headers = json.loads(message)["headers"]
        assert headers["task"] == TASK_DETECT_RANGE
        assert len(message) < 1500
        with redis.Redis.from_url(settings.redis_url) as client:
            client.lpush(QUEUE_DETECT, "rubbish")
        last = DetectRange("frames", 3, 116, 117, attempt=3)
        queue.enqueue(last)
        assert queue.waiting(QUEUE_DETECT) == [task, last], "in the order in which they will be taken"
        with pytest.raises(ValueError, match="expected one of the queues"):
            queue.enqueue(task, "elsewhere")
    finally:
        queue.close()


def test_redis_that_is_not_there_is_told_of(settings):
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    with pytest.raises(UnavailableError):
        ping_redis(nowhere, timeout_s=1.0)
    ping_redis(settings)
    queue = TaskQueue(nowhere)
    try:
        with pytest.raises(UnavailableError):
            queue.enqueue(DetectRange("frames", 0, 0, 1))
        with pytest.raises(UnavailableError):
            queue.length(QUEUE_DETECT)
    finally:
        queue.close()


def test_an_emptied_redis_is_noticed_once(settings):
    queue = TaskQueue(settings)
    try:
        assert [queue.was_emptied() for _ in range(3)] == [False] * 3
        with redis.Redis.from_url(settings.redis_url) as client:
            client.flushdb()
        assert [queue.was_emptied() for _ in range(3)] == [True, False, False]
        with redis.Redis.from_url(settings.redis_url) as client:
            client.flushdb()
        queue.begin_watch()
        assert [queue.was_emptied() for _ in range(2)] == [False, False]
    finally:
        queue.close()
