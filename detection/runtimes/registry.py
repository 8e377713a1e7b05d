"""The runtimes by name, and which of them this machine can use."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from contracts.errors import ConfigurationError
from detection import machine
from detection.runtimes.base import PRECISIONS, DarknetModel, Precision, Runtime


@dataclass(frozen=True)
class RuntimeKind:
    """One runtime: the package it needs, the extra that brings it, its precisions, and the function that opens a model.

    `automatic` says whether `auto` may choose it.
    """

    name: str
    package: str
    extra: str
    precisions: tuple[Precision, ...]
    opener: str
    automatic: bool = True

    @property
    def on_cpu(self) -> bool:
        """Whether it needs no GPU."""
        return self.opener.endswith("open_cpu")

    @property
    def installed(self) -> bool:
        """Whether its package is there; that does not import it."""
        return importlib.util.find_spec(self.package) is not None

    def open(self, model: DarknetModel, precision: Precision, threads: int) -> Runtime:
        """Open a model.

        Raises:
            ConfigurationError: the package or the device is not there, or the precision is not offered.
        """
        if precision not in self.precisions:
            raise ConfigurationError(f"{self.name} offers {', '.join(self.precisions)}, not {precision}")
        if not self.installed:
            raise ConfigurationError(
                f"runtime {self.name} needs {self.package}: pip install 'crowdwatch[{self.extra}]'"
            )
        module, _, function = self.opener.partition(":")
        opener = cast(
            Callable[[DarknetModel, Precision, int], Runtime],
            getattr(importlib.import_module(f"detection.runtimes.{module}"), function),
        )
        return opener(model, precision, threads)


RUNTIMES = {
    kind.name: kind
    for kind in (
        RuntimeKind("onnxruntime", "onnxruntime", "cpu", ("float32", "int8"), "onnx_runtime:open_cpu"),
        RuntimeKind("openvino", "openvino", "cpu", ("float32", "bfloat16", "int8"), "open_vino:open_cpu"),
        RuntimeKind("opencv", "cv2", "cpu", ("float32",), "open_cv:open_cpu", automatic=False),
        RuntimeKind("torch", "torch", "torch", ("float32", "bfloat16"), "pytorch:open_cpu", automatic=False),
        RuntimeKind("torch-cuda", "torch", "torch", ("float32", "float16"), "pytorch:open_cuda"),
        RuntimeKind("onnxruntime-cuda", "onnxruntime", "gpu", ("float32",), "onnx_runtime:open_cuda"),
        RuntimeKind("onnxruntime-tensorrt", "onnxruntime", "gpu", ("float32", "float16"), "onnx_runtime:open_tensorrt"),
    )
}


def parse_runtime(text: str) -> tuple[str, Precision | None]:
    """Split `NAME` or `NAME:PRECISION`, where NAME may be `auto`.

    Raises:
        ConfigurationError: runtime or precision is unknown; the message lists those known.
    """
    name, colon, precision = text.partition(":")
    if name != "auto" and name not in RUNTIMES:
        raise ConfigurationError(f"unknown runtime {name!r}; known: auto, {', '.join(RUNTIMES)}")
    if colon and precision not in PRECISIONS:
        raise ConfigurationError(f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}")
    return name, cast(Precision, precision) if colon else None


def is_fast_here(precision: Precision) -> bool:
    """Whether this processor has instructions for a precision; without them it would only be less exact."""
    if precision == "bfloat16":
        return machine.has_bfloat16()
    return machine.has_int8() if precision == "int8" else True
