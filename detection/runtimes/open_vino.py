"""OpenVINO on the CPU, in float32, bfloat16 or int8."""

from pathlib import Path
from typing import Any

import openvino

from detection.machine import machine_key
from detection.pictures import Pixels
from detection.runtimes.base import DarknetModel, Floats, Precision


class OpenVino:
    """Runs a network that OpenVINO has compiled for this processor.

    Args:
        compiled: as `compile_graph` returns it.
    """

    batch = 1

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, classes, boxes).

        What it returns is overwritten by the next call.
        """
        outputs = self._request.infer([pictures], share_inputs=True, share_outputs=True)
        return outputs[0], outputs[1]


def open_cpu(model: DarknetModel, precision: Precision, threads: int) -> OpenVino:
    """Open a model in float32, bfloat16 or int8, compiled the first time on this processor."""
    graph_file = model.quantised_graph_file(for_fusion=True) if precision == "int8" else model.graph_file()
    options = _options(precision, threads)
    ending = f".{precision}-{machine_key(openvino.__version__)}.openvino"
    blob = model.cached(ending, lambda: compile_graph(graph_file, options))
    return OpenVino(openvino.Core().import_model(blob.read_bytes(), "CPU", options))


def compile_graph(graph_file: Path, options: dict[str, Any]) -> bytes:
    """Compile an ONNX file for this processor; importing the result is several times as fast as compiling again."""
    core = openvino.Core()
    exported = core.compile_model(core.read_model(graph_file), "CPU", options).export_model()
    return exported if isinstance(exported, bytes) else bytes(exported.getvalue())


def _options(precision: Precision, threads: int) -> dict[str, Any]:
    return {
        # Without it OpenVINO takes bfloat16 wherever the processor has it.
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Pinned, the processes of one pool would all sit on the first cores.
        "ENABLE_CPU_PINNING": False,
    }
