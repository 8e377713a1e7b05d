"""From a model's name to a detector that is ready."""

import hashlib
from pathlib import Path

import cv2

from contracts.errors import ModelError
from detection.darknet.cfg import read_network
from detection.darknet.weights import weights_version
from detection.detector import Detector, FaceDetector
from detection.manifest import find_model
from detection.runtimes.base import GRAPH_VERSION, DarknetModel
from detection.runtimes.onnx_runtime import OnnxRuntime

_GRAPHS = "graphs"


def load_detector(model: str, *, runtime: str = "auto", threads: int = 1, cache_dir: Path) -> Detector:
    """Load a model, ready to detect. Call it in the process that detects, after any fork.

    Args:
        model: a name in models/manifest.toml, or a path FILE.cfg with FILE.weights beside it.
        runtime: `auto`, or a runtime's name.
        threads: how many the runtime may use in this process; picture operations of OpenCV are held to it too.
        cache_dir: where converted models are kept.

    Raises:
        ModelError: the model is unknown, a file is missing, damaged or not supported.
        ConfigurationError: the runtime is unknown or not installed.
    """
    cv2.setNumThreads(threads)
    entry = find_model(model)
    cfg, weights = _read(entry.cfg), _read(entry.weights)
    network = read_network(cfg, entry.cfg.name)
    key = hashlib.sha256(
        b"%d\0%b\0%b" % (GRAPH_VERSION, hashlib.sha256(cfg).digest(), hashlib.sha256(weights).digest())
    )
    source = DarknetModel(
        network, weights, entry.weights.name, weights_version(weights), cache_dir / _GRAPHS, key.hexdigest()[:16]
    )
    return FaceDetector(
        name=entry.name,
        version=source.version,
        input_size=(network.width, network.height),
        class_names=entry.class_names(network.classes),
        fit=entry.fit,
        runtime=OnnxRuntime(source.graph_file(), threads),
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}") from error
