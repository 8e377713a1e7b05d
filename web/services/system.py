"""What the System page shows: the roles by their own health pages, the queues, and the pace of the results."""

import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from contracts.errors import UnavailableError
from contracts.faces import FacesRecord, Status
from contracts.tasks import QUEUES
from messaging.tasks import TaskQueue
from settings import Settings

_ASK_S = 1.5
_KEPT_S = 1.5
_PACE_S = 30.0
_LAG, _IN_FLIGHT = "crowdwatch_bridge_lag", "crowdwatch_bridge_in_flight"
_PREFIX = "crowdwatch_"
_METRICS_BYTES = 4 * 1024 * 1024

Samples = list[tuple[str, Mapping[str, str], float]]
"""Name, labels and value."""


class Pace:
    """How many results came in the last half minute, how old their frames were, and how long detection took."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._since_s = now_s()
        self._seen: deque[tuple[float, float, float | None]] = deque()

    def add(self, record: FacesRecord) -> None:
        """Take in a result that came now."""
        latency_s = max(0.0, (record.detected_at - record.came_at).total_seconds())
        inference_s = record.inference_ms / 1000 if record.status is Status.OK and record.inference_ms else None
        with self._lock:
            self._seen.append((self._now_s(), latency_s, inference_s))
            self._forget()

    def figures(self) -> dict[str, float | None]:
        """Return results a second and the medians in seconds; None where nothing came."""
        with self._lock:
            self._forget()
            seen = tuple(self._seen)
        inferences = [inference_s for _, _, inference_s in seen if inference_s is not None]
        return {
            "results_per_s": len(seen) / max(1.0, min(_PACE_S, self._now_s() - self._since_s)),
            "latency_s": median(latency_s for _, latency_s, _ in seen) if seen else None,
            "inference_s": median(inferences) if inferences else None,
        }

    def _forget(self) -> None:
        while self._seen and self._seen[0][0] < self._now_s() - _PACE_S:
            self._seen.popleft()


class SystemPage:
    """Asks all roles at the same time, and keeps the answers for a moment."""

    def __init__(
        self, settings: Settings, tasks: TaskQueue, pace: Pace, problems: Callable[[], Mapping[str, str | None]]
    ) -> None:
        self._roles = dict(pair.split("=", 1) for pair in settings.role_urls)
        self._tasks = tasks
        self._pace = pace
        self._problems = problems
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="web-system")
        self._data: dict[str, Any] = {}
        self._asked_s = -_KEPT_S

    def data(self) -> dict[str, Any]:
        """Return the page's data as JSON types."""
        with self._lock:
            if time.monotonic() - self._asked_s >= _KEPT_S:
                self._data = self._ask()
                self._asked_s = time.monotonic()
            return self._data

    def close(self) -> None:
        """End the threads that ask."""
        self._executor.shutdown(wait=True)

    def _ask(self) -> dict[str, Any]:
        asked = list(self._executor.map(lambda role: _look(*role), self._roles.items()))
        samples = [sample for _, found in asked for sample in found]
        return {
            "pace": self._pace.figures(),
            "roles": [role for role, _ in asked],
            "needs": dict(self._problems()),
            "lag": lag_table(samples),
            "queues": self._queues(),
        }

    def _queues(self) -> list[dict[str, Any]]:
        try:
            return [{"name": queue, "length": self._tasks.length(queue)} for queue in QUEUES]
        except UnavailableError:
            return []


def lag_table(samples: Samples) -> list[dict[str, Any]]:
    """Return for each partition how far the watermark is from the log's end, and how many offsets are in flight."""
    places: dict[tuple[str, int], dict[str, float]] = {}
    for name, labels, value in samples:
        if name in (_LAG, _IN_FLIGHT):
            places.setdefault((labels["topic"], int(labels["partition"])), {})[name] = value
    return [
        {"topic": topic, "partition": partition, "lag": found.get(_LAG), "in_flight": found.get(_IN_FLIGHT)}
        for (topic, partition), found in sorted(places.items())
    ]


def figures_of(role: str, samples: Samples) -> dict[str, float]:
    """Return what a role counted, each of its own metrics summed over the labels."""
    figures: dict[str, float] = {}
    for name, _, value in samples:
        if name.startswith(_PREFIX) and not name.endswith(("_created", "_bucket", "_sum", "_count")):
            short = name.removeprefix(_PREFIX).removeprefix(f"{role.split('-')[0]}_").removesuffix("_total")
            figures[short] = figures.get(short, 0.0) + value
    return figures


def _look(name: str, url: str) -> tuple[dict[str, Any], Samples]:
    """Ask a role whether it is ready, and for its metrics."""
    problem: str | None = None
    samples: Samples = []
    try:
        _read(url.removesuffix("/metrics") + "/readyz")
        state = "ready"
    except urllib.error.HTTPError as error:
        state = "starting"
        error.close()
    except (OSError, ValueError) as error:
        state, problem = "stopped", f"does not answer: {getattr(error, 'reason', error)}"
    if problem is None:
        try:
            samples = _samples(_read(url).decode("utf-8", "replace"))
        except (OSError, ValueError) as error:
            problem = f"its metrics cannot be read: {error}"
    return {"name": name, "state": state, "problem": problem, "figures": figures_of(name, samples)}, samples


def _samples(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def _read(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_ASK_S) as answer:
        data: bytes = answer.read(_METRICS_BYTES)
        return data
