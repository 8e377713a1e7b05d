"""From a model's name to a detector that is ready."""

import hashlib
from pathlib import Path
from typing import cast

import cv2

from contracts.errors import ConfigurationError
from detection.calibration import Calibration
from detection.choose import choose_runtime
from detection.darknet.cfg import read_network
from detection.darknet.weights import weights_version
from detection.detector import Detector, FaceDetector
from detection.manifest import ModelEntry, find_model
from detection.runtimes.base import GRAPH_VERSION, DarknetModel, Precision
from detection.runtimes.registry import RUNTIMES, parse_runtime


def load_detector(model: str, *, runtime: str = "auto", threads: int = 1, cache_dir: Path) -> Detector:
    """Load a model, ready to detect. Call it in the process that detects, after any fork.

    Args:
        model: a name in a manifest, or a path FILE.cfg with FILE.weights beside it.
        runtime: `auto`, a runtime's name, or either with a precision, as in `openvino:bfloat16` or `auto:float32`;
            `auto` measures once on this machine, which takes a few seconds, and remembers.
        threads: how many the runtime may use in this process; picture operations of OpenCV are held to it too.
        cache_dir: where converted models and measurements are kept, and imported models are found.

    Raises:
        ModelError: the model is unknown, a file is missing, damaged or not supported.
        ConfigurationError: the runtime is unknown or not installed.
    """
    cv2.setNumThreads(threads)
    entry = find_model(model, cache_dir)
    if entry.kind == "darknet":
        return _load_darknet(entry, runtime, threads, cache_dir)
    return _load_onnx(entry, runtime, threads)


def read_darknet(entry: ModelEntry, cache_dir: Path) -> DarknetModel:
    """Read the files of a Darknet model; its weights are looked at only where no converted graph is kept.

    Raises:
        ModelError: a file is missing, damaged or not supported.
    """
    cfg, weights = entry.files["cfg"].read(), entry.files["weights"].read()
    network = read_network(cfg, entry.files["cfg"].path.name)
    version = weights_version(weights)
    calibration, ranges = None, b""
    if "calibration" in entry.files:
        file = entry.files["calibration"]
        ranges = file.read()
        calibration = Calibration.decode(ranges, network, version, file.path.name)
    parts = (b"%d" % GRAPH_VERSION, cfg, version.encode(), ranges)
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]
    return DarknetModel(
        network=network,
        weights=weights,
        weights_file=entry.files["weights"].path.name,
        version=version,
        calibration=calibration,
        cache_dir=cache_dir / "graphs",
        key=key,
    )


def _load_darknet(entry: ModelEntry, runtime: str, threads: int, cache_dir: Path) -> FaceDetector:
    name, precision = parse_runtime(runtime)
    model = read_darknet(entry, cache_dir)
    if name == "auto":
        approved = entry.approved_precisions if precision is None else (precision,)
        choice = choose_runtime(model, cast("tuple[Precision, ...]", approved), threads)
        name, precision = choice.runtime, choice.precision
    precision = precision or "float32"
    return FaceDetector(
        name=entry.name,
        version=model.version if precision == "float32" else f"{model.version}-{precision}",
        input_size=(model.network.width, model.network.height),
        class_names=entry.class_names(model.network.classes),
        fit=entry.fit,
        runtime=RUNTIMES[name].open(model, precision, threads),
        runtime_name=f"{name}:{precision}",
    )


def _load_onnx(entry: ModelEntry, runtime: str, threads: int) -> FaceDetector:
    from detection.runtimes.onnx_faces import input_size, kind_of, open_session  # ONNX Runtime is needed only here
    from detection.runtimes.scrfd import Scrfd
    from detection.runtimes.yunet import YuNet

    if runtime not in ("auto", "onnxruntime"):
        raise ConfigurationError(f"{entry.name} runs on onnxruntime alone, not on {runtime}")
    file = entry.files["onnx"]
    version = weights_version(file.read())
    session = open_session(file.path, threads)
    return FaceDetector(
        name=entry.name,
        version=version,
        input_size=input_size(session),
        class_names=entry.class_names(1),
        fit=entry.fit,
        runtime=Scrfd(session) if kind_of(session, file.path) == "scrfd" else YuNet(session),
        runtime_name="onnxruntime:float32",
    )
