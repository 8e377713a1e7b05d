"""`auto`: the runtime and precision that are fastest here, measured once and remembered, so that every start agrees.

Only precisions that the caller approves take part, and a less exact one is chosen only where it is clearly faster. The
choice is kept by model, processor, threads and versions; docs/adr says what it is worth.
"""

import importlib.metadata
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.errors import ConfigurationError
from detection.machine import machine_key
from detection.pictures import Pixels
from detection.runtimes.base import PRECISIONS, DarknetModel, Precision, Runtime
from detection.runtimes.registry import RUNTIMES, RuntimeKind, is_fast_here

_log = logging.getLogger(__name__)

_GAIN = 1.15
"""How many times as fast a less exact precision must be to be worth it."""

_SECONDS = 0.2
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "torch")


@dataclass(frozen=True)
class Choice:
    """A runtime by name, its precision, and milliseconds a picture."""

    runtime: str
    precision: Precision
    ms: float


def choose_runtime(model: DarknetModel, approved: Sequence[Precision], threads: int) -> Choice:
    """Return the fastest runtime for a model on this machine, measured the first time (a few seconds).

    Args:
        model: what is to be run.
        approved: precisions that may be chosen.
        threads: that the runtime will use.

    Raises:
        ConfigurationError: no runtime works.
    """
    kinds = _candidates(model, approved)
    versions = [f"{name} {version}" for name, version in installed_versions().items()]
    asked = ",".join(f"{kind.name}:{precision}" for kind, precision in kinds)
    key = machine_key(*versions, asked, str(threads))

    def measure() -> bytes:
        choices = _measure(model, kinds, threads)
        return json.dumps([choice.__dict__ for choice in choices], indent=1).encode()

    file = model.cached(f".choice-{key}.json", measure)
    return _pick([Choice(**fields) for fields in json.loads(file.read_bytes())])


def _candidates(model: DarknetModel, approved: Sequence[Precision]) -> list[tuple[RuntimeKind, Precision]]:
    return [
        (kind, precision)
        for kind in RUNTIMES.values()
        if kind.automatic and kind.installed
        for precision in kind.precisions
        if precision in approved and is_fast_here(precision)
        if precision != "int8" or model.calibration is not None
    ]


def _measure(model: DarknetModel, candidates: Sequence[tuple[RuntimeKind, Precision]], threads: int) -> list[Choice]:
    opened: list[tuple[str, Precision, Runtime, Pixels]] = []
    noise = np.random.default_rng(0)
    for kind, precision in candidates:
        try:
            runtime = kind.open(model, precision, threads)
            shape = (runtime.batch, 3, model.network.height, model.network.width)
            pictures = noise.integers(0, 256, shape, dtype=np.uint8)
            for _ in range(2):
                runtime.run(pictures)
        except (ConfigurationError, RuntimeError, ValueError) as error:
            _log.info("auto leaves out %s in %s: %s", kind.name, precision, error)
            continue
        opened.append((kind.name, precision, runtime, pictures))
    times: list[list[float]] = [[] for _ in opened]
    end = time.perf_counter() + _SECONDS * len(opened)
    while opened and (time.perf_counter() < end or len(times[0]) < 3):
        for spent, (_, _, runtime, pictures) in zip(times, opened, strict=True):
            start = time.perf_counter()
            runtime.run(pictures)
            spent.append((time.perf_counter() - start) / len(pictures))
    # The least, not the median: other processes' load only ever adds.
    return [
        Choice(name, precision, round(1000 * min(spent), 3))
        for spent, (name, precision, _, _) in zip(times, opened, strict=True)
    ]


def _pick(choices: Sequence[Choice]) -> Choice:
    best: Choice | None = None
    for precision in PRECISIONS:
        rivals = [choice for choice in choices if choice.precision == precision]
        fastest = min(rivals, key=lambda choice: choice.ms, default=None)
        if fastest is not None and (best is None or fastest.ms * _GAIN < best.ms):
            best = fastest
    if best is None:
        raise ConfigurationError("no runtime works here: tried all that are installed; set one by name to see why")
    return best


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that runtimes need, of those that are installed."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
