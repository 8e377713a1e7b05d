"""ONNX Runtime: on the CPU by default, on NVIDIA GPUs with the package of the extra `gpu`."""

from pathlib import Path

import onnxruntime

from contracts.errors import ConfigurationError
from detection.pictures import Pixels
from detection.runtimes.base import DarknetModel, Floats, Precision

_PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
}
_GPU_BATCH = 16


class OnnxRuntime:
    """Runs an ONNX file.

    Args:
        graph_file: as `detection.graph` or `detection.quantise` writes it.
        threads: how many to use on the CPU.
        device: `cpu`, `cuda` or `tensorrt`.
        half: whether TensorRT may use float16.

    Raises:
        ConfigurationError: this build of ONNX Runtime has no provider for the device.
    """

    def __init__(self, graph_file: Path, threads: int, device: str = "cpu", half: bool = False) -> None:
        providers: list[str | tuple[str, dict[str, str]]] = []
        for provider in _PROVIDERS[device]:
            if provider not in onnxruntime.get_available_providers():
                raise ConfigurationError(f"this ONNX Runtime has no {provider}; the extra `gpu` brings one for CUDA")
            if provider == "TensorrtExecutionProvider":
                options_of_tensorrt = {
                    "trt_fp16_enable": str(half),
                    "trt_engine_cache_enable": "True",
                    "trt_engine_cache_path": str(graph_file.parent),
                }
                providers.append((provider, options_of_tensorrt))
            else:
                providers.append(provider)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.batch = 1 if device == "cpu" else _GPU_BATCH
        self._session = onnxruntime.InferenceSession(graph_file, options, providers=providers)

    def run(self, pictures: Pixels) -> tuple[Floats, Floats]:
        """Run pictures (n, 3, height, width) uint8 BGR; returns boxes (n, 4, boxes) and scores (n, classes, boxes)."""
        boxes, scores = self._session.run(None, {"pictures": pictures})
        return boxes, scores


def open_cpu(model: DarknetModel, precision: Precision, threads: int) -> OnnxRuntime:
    """Open a model in float32 or int8 on the CPU."""
    graph_file = model.quantised_graph_file(for_fusion=False) if precision == "int8" else model.graph_file()
    return OnnxRuntime(graph_file, threads)


def open_cuda(model: DarknetModel, precision: Precision, threads: int) -> OnnxRuntime:
    """Open a model in float32 on CUDA."""
    return OnnxRuntime(model.graph_file(), threads, "cuda")


def open_tensorrt(model: DarknetModel, precision: Precision, threads: int) -> OnnxRuntime:
    """Open a model in float32 or float16 on TensorRT."""
    return OnnxRuntime(model.graph_file(), threads, "tensorrt", half=precision == "float16")
