"""The models of one worker process: loaded when a camera asks for them, the least recently used dropped."""

import gc
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from contracts.errors import CrowdwatchError, ModelError
from detection import Detector, load_detector
from settings import Settings

log = logging.getLogger(__name__)

_RETRY_AFTER_S = 30.0
_REASON_CHARS = 300


class LoadedModels:
    """Detectors by the name of their model.

    Args:
        load: loads a detector.
        most: how many are kept.
        clock: seconds that never go back.
    """

    def __init__(self, load: Callable[[str], Detector], most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._most = most
        self._clock = clock
        self._loaded: OrderedDict[str, Detector] = OrderedDict()
        self._failed: dict[str, tuple[float, str]] = {}

    def loaded(self, name: str) -> Detector | None:
        """Return a detector that is loaded already, None otherwise."""
        return self._loaded.get(name)

    def get(self, name: str) -> Detector:
        """Return a detector, loaded if it was not. A load that failed is not repeated for 30 s.

        Raises:
            ModelError: the model cannot be loaded; the message says why.
        """
        if (detector := self._loaded.get(name)) is not None:
            self._loaded.move_to_end(name)
            return detector
        failed_at, reason = self._failed.get(name, (float("-inf"), ""))
        if self._clock() < failed_at + _RETRY_AFTER_S:
            raise ModelError(reason)
        started = self._clock()
        try:
            detector = self._load(name)
        except Exception as error:  # a runtime may throw anything, and only this model's cameras are concerned
            said = str(error) if isinstance(error, CrowdwatchError) else f"{type(error).__name__}: {error}"
            reason = f"the model {name!r:.80} cannot be loaded: {said}"[:_REASON_CHARS]
            self._failed[name] = self._clock(), reason
            log.error("%s", reason)
            raise ModelError(reason) from error
        self._failed.pop(name, None)
        self._loaded[name] = detector
        log.info("loaded the model %s on %s in %.1f s", name, detector.runtime_name, self._clock() - started)
        while len(self._loaded) > self._most:
            dropped, _ = self._loaded.popitem(last=False)
            log.info("dropped the model %s: %d models are kept (CROWDWATCH_MODELS_LOADED)", dropped, self._most)
            gc.collect()
        return detector


def load_by_name(settings: Settings) -> Callable[[str], Detector]:
    """Return what loads a model that a camera names: never by a path, except for the setting's own."""

    def load(name: str) -> Detector:
        if name.endswith(".cfg") and name != settings.model:
            raise ModelError("a camera names a model of the installation, not a file")
        return load_detector(
            name, runtime=settings.runtime, threads=settings.detect_threads, cache_dir=settings.cache_dir
        )

    return load
