"""One run: odd records and requests to a system that a live camera uses meanwhile, and a verdict."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from bench.fuzz.documents import Asker, Requests
from bench.fuzz.judge import Judge, LiveCamera, Verdict, Watch
from bench.fuzz.logs import tracebacks
from bench.fuzz.records import Records
from bench.fuzz.sending import Sender
from bench.fuzz.system import System
from bench.fuzz.tasks import odd_tasks

_AT_ONCE = 50
_QUIET_AT_LEAST_S = 120.0


@dataclasses.dataclass(frozen=True)
class Fuzz:
    """What is sent.

    Attributes:
        count: how many records.
        requests: how many requests, while the records are sent.
        tasks: how many tasks, at the beginning.
        first: number of the first record and request; those before it are left out.
        minutes: over how long the records are spread; 0 for as fast as it goes.
        pictures: good ones that are sent afterwards, by HTTP and by Kafka each.
        topics: of the records; all of them when empty.
    """

    seed: int = 1
    count: int = 2500
    requests: int = 500
    tasks: int = 50
    first: int = 0
    minutes: float = 0.0
    pictures: int = 40
    topics: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Result:
    """What was sent, and what came of it."""

    fuzz: Fuzz
    verdict: Verdict
    records_by_topic: dict[str, int]
    refused_by_kafka: dict[str, int]
    aborted: int
    answers: dict[int, int]
    tracebacks: dict[str, int]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return dataclasses.asdict(self)


def run(fuzz: Fuzz, system: System, say: Callable[[str], None], step: Callable[[int], None]) -> Result:
    """Send everything, and judge. `step` is told after each batch how many records are sent."""
    begun, now = time.monotonic(), datetime.now(timezone.utc)
    records, sent = Records(fuzz.seed, now, fuzz.topics), fuzz.first
    judge = Judge(system, say)
    asker, sender = Asker(system.url, system.key), Sender(system.settings.kafka_bootstrap_servers)
    by_topic: dict[str, int] = {}
    numbers = range(fuzz.first, fuzz.first + fuzz.count)
    with LiveCamera(system), Watch(system, say, lambda: sent) as watch:
        asking = threading.Thread(target=_ask_all, args=(fuzz, now, asker), name="asking", daemon=True)
        asking.start()
        odd_tasks(fuzz.seed, fuzz.tasks, system.settings)
        for batch in _batches(numbers):
            pairs = [(number, records.odd(number)) for number in batch]
            for _, record in pairs:
                by_topic[record.topic] = by_topic.get(record.topic, 0) + 1
            sender.send(pairs)
            sent = batch[-1] + 1
            step(sent - fuzz.first)
            time.sleep(max(0.0, begun + 60 * fuzz.minutes * (sent - fuzz.first) / fuzz.count - time.monotonic()))
        sender.close()
        asking.join()
        say(f"everything is sent after {time.monotonic() - begun:.0f} s; waiting for quiet")
        verdict = judge.verdict(fuzz.pictures, _QUIET_AT_LEAST_S + fuzz.count / 25, now + timedelta(seconds=5))
    verdict.problems += [*watch.problems, *asker.problems]
    return Result(
        fuzz,
        verdict,
        dict(sorted(by_topic.items())),
        dict(sender.refused),
        sender.aborted,
        dict(sorted(asker.statuses.items())),
        tracebacks(system.logs),
        round(time.monotonic() - begun, 1),
    )


def _ask_all(fuzz: Fuzz, now: datetime, asker: Asker) -> None:
    requests = Requests(fuzz.seed, now)
    for number in range(fuzz.first, fuzz.first + fuzz.requests):
        asker.ask(number, requests.odd(number))


def _batches(numbers: range) -> Iterable[range]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))
