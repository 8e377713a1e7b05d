"""Odd tasks in the queues of the workers, which only the bridge and the web should write to."""

import random
from typing import Any

from contracts.tasks import QUEUE_AGAIN, QUEUE_DETECT, QUEUE_INTERACTIVE, TASK_DETECT_RANGE, DetectRange
from messaging.tasks import make_celery
from settings import Settings

_VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1.5, float("nan"), float("inf"), True, None),
    *(
        "",
        "1",
        "\x00",
        "a\u2028b",
        "x" * 300_000,
        "chat",
        "Faces",
        "frames",
        "__consumer_offsets",
        "nobody/knows",
        "\u00e9",
    ),
    *([], {}, [1] * 1000, {"a": {"b": []}}, [[[[[[]]]]]]),
)


def odd_tasks(seed: int, count: int, settings: Settings) -> None:
    """Enqueue tasks whose arguments are wrong, missing, too many or of another task."""
    app, rng = make_celery(settings), random.Random(f"{seed}/tasks")
    for _ in range(count):
        start = rng.randrange(50)
        arguments = DetectRange("frames", rng.randrange(4), start, start + rng.randint(1, 5)).to_kwargs()
        kind = rng.randrange(8)
        if kind == 0:
            del arguments[rng.choice([*arguments])]
        elif kind == 1:
            arguments["more"] = rng.choice(_VALUES)
        else:
            for name in rng.sample([*arguments], rng.choice((1, 1, 2))):
                arguments[name] = rng.choice(_VALUES)
        name = rng.choice((*(TASK_DETECT_RANGE,) * 9, "crowdwatch.nobody"))
        queue = rng.choice((QUEUE_DETECT, QUEUE_AGAIN, QUEUE_INTERACTIVE))
        app.send_task(name, kwargs=arguments, queue=queue, ignore_result=True, retry=False)
    app.close()
