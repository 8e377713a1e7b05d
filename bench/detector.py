"""Every runtime against OpenCV 4's own Darknet loader, in one run on the same pictures.

    python -m bench.detector [--models …] [--seconds S] [--output FILE.json]
    python -m bench.detector --gpu          PyTorch in half precision, yolov3-416, batches of 64: pictures a second

Rounds are interleaved: in each the peer and every runtime have a turn of several calls, and the peak kernel one; ratios
are medians over rounds of the peer's time by the runtime's. The share of peak is the median over rounds of the rate of
the convolutions alone by the kernel's, both in float32 operations. The peer is what is installed while the project
holds to OpenCV below 5.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.peak import PeakKernel
from detection.bars import draw_bars
from detection.choose import installed_versions
from detection.darknet.cfg import read_network
from detection.loading import read_darknet
from detection.machine import processor
from detection.manifest import SHIPPED, describe_cfg
from detection.runtimes.base import DarknetModel
from detection.runtimes.registry import RUNTIMES, is_fast_here
from tests.unit.detection import darknet_files
from training.validation import resize_cfg

RESULTS = Path(__file__).parent / "results"
MODELS = ("yolov3-face-lite", "yolov3-tiny-416", "yolov3-416")
BATCHES = {"yolov3-416": (1,), "yolov3-tiny-416": (1, 4), "yolov3-face-lite": (1, 4, 16)}
PEER = "opencv-darknet"
LEAST_ROUNDS = 5
TURN_UNTIMED, TURN_TIMED = 2, 3
"""A worker runs one network call after call: in each turn the first calls find the threads of the runtime before them
still spinning, and its values in the caches."""


def write_cfg(name: str, directory: Path) -> Path:
    """Write cfg and weights of a benchmark model; the big ones have random weights."""
    if name == "yolov3-face-lite":
        for ending in (".cfg", ".weights", ".calibration.json"):
            (directory / f"{name}{ending}").write_bytes((SHIPPED / f"{name}{ending}").read_bytes())
        return directory / f"{name}.cfg"
    cfg = darknet_files.yolov3(416) if name == "yolov3-416" else darknet_files.yolov3_tiny(416)
    return darknet_files.write_model(directory, cfg, name)


def open_peer(cfg: Path) -> Callable[[np.ndarray], object]:
    """OpenCV's own loader; its input is prepared as OpenCV's users do, with blobFromImages' result ready beforehand."""
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(cfg.with_suffix(".weights")))
    names = net.getUnconnectedOutLayersNames()

    def run(pictures: np.ndarray) -> object:
        net.setInput(pictures)
        return net.forward(names)

    return run


def candidates(model: DarknetModel, threads: int) -> dict[str, Callable[[np.ndarray], object]]:
    """Open every CPU runtime that is installed, in every precision this processor is fast in."""
    opened: dict[str, Callable[[np.ndarray], object]] = {}
    for kind in RUNTIMES.values():
        for precision in kind.precisions:
            calibrated = precision != "int8" or model.calibration is not None
            if kind.on_cpu and kind.installed and is_fast_here(precision) and calibrated:
                opened[f"{kind.name}:{precision}"] = kind.open(model, precision, threads).run
    return opened


def measure(name: str, threads: int, batch: int, seconds: float, peak: PeakKernel) -> list[dict[str, Any]]:
    """Time one model on `threads` threads in batches; returns a row for each runtime."""
    with tempfile.TemporaryDirectory() as directory:
        cv2.setNumThreads(threads)
        cfg = write_cfg(name, Path(directory))
        model = read_darknet(describe_cfg(cfg), Path(directory))
        shape = (batch, 3, model.network.height, model.network.width)
        pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        floats = np.ascontiguousarray(pictures[:, ::-1].astype(np.float32) / 255)
        peer = open_peer(cfg)
        runs = {PEER: lambda _: peer(floats), **candidates(model, threads)}
        times: dict[str, list[float]] = {runtime: [] for runtime in runs}
        peaks: list[float] = []
        for run in runs.values():
            run(pictures)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(peaks) < LEAST_ROUNDS:
            peaks.append(peak.measure(threads))
            for runtime, run in runs.items():
                for _ in range(TURN_UNTIMED):
                    run(pictures)
                start = time.perf_counter()
                for _ in range(TURN_TIMED):
                    run(pictures)
                times[runtime].append((time.perf_counter() - start) / TURN_TIMED)
        memory = {runtime: _memory_mib(name, runtime, threads) for runtime in runs} if batch == 1 else {}
    operations = 2 * model.network.multiply_adds * batch
    return [
        {
            "model": name,
            "threads": threads,
            "batch": batch,
            "runtime": runtime,
            "ms_a_picture": round(1000 * statistics.median(spent) / batch, 3),
            "ms_quartiles": [round(1000 * q / batch, 3) for q in statistics.quantiles(spent, n=4)[::2]],
            "ms_least": round(1000 * min(spent) / batch, 3),
            "times_as_fast_as_peer": round(_median_ratio(times[PEER], spent), 3),
            "share_of_peak": round(_median_ratio([operations / time_ for time_ in spent], peaks), 3),
            "memory_mib": memory.get(runtime),
            "rounds": len(spent),
        }
        for runtime, spent in times.items()
    ]


def whole_call(seconds: float) -> dict[str, Any]:
    """Time decoding a 1280x720 JPEG and finding faces at 608 against the bare network, ONNX Runtime, float32, one
    thread."""
    from detection import decode_picture
    from detection.detector import FaceDetector

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as directory:
        cfg = write_cfg("yolov3-face-lite", Path(directory))
        cfg.write_text(resize_cfg(cfg.read_text(), 608))
        model = read_darknet(describe_cfg(cfg), Path(directory))
        runtime = RUNTIMES["onnxruntime"].open(model, "float32", 1)
    detector = FaceDetector(
        name="lite",
        version="",
        input_size=(608, 608),
        class_names=("face",),
        fit="letterbox",
        runtime=runtime,
        runtime_name="onnxruntime:float32",
    )
    data = _sample_jpeg()
    inputs = np.random.default_rng(0).integers(0, 256, (1, 3, 608, 608), dtype=np.uint8)
    whole: list[float] = []
    bare: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(whole) < 15:
        for spent, call in (
            (bare, lambda: runtime.run(inputs)),
            (whole, lambda: detector.detect([decode_picture(data, max_pixels=10**8, at_least=608)])),
        ):
            start = time.perf_counter()
            call()
            spent.append(time.perf_counter() - start)
    return {
        "whole_call_ms": round(1000 * statistics.median(whole), 3),
        "bare_network_ms": round(1000 * statistics.median(bare), 3),
        "ratio": round(_median_ratio(whole, bare), 3),
        "ratio_of_least": round(min(whole) / min(bare), 3),
        "jpeg_bytes": len(data),
        "rounds": len(whole),
    }


def measure_gpu() -> dict[str, Any]:
    """Pictures a second of PyTorch (the extra `torch`) in half precision on yolov3-416, in batches of 64.

    Pictures start in the CPU's memory, decoded, and boxes and scores end there.
    """
    import torch

    with tempfile.TemporaryDirectory() as directory:
        model = read_darknet(describe_cfg(write_cfg("yolov3-416", Path(directory))), Path(directory))
        runtime = RUNTIMES["torch-cuda"].open(model, "float16", os.cpu_count() or 1)
        pictures = np.random.default_rng(0).integers(0, 256, (64, 3, 416, 416), dtype=np.uint8)
        rates = []
        for _ in range(30):
            start = time.perf_counter()
            runtime.run(pictures)
            rates.append(64 / (time.perf_counter() - start))
    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "pictures_a_second": round(statistics.median(rates[5:]), 1),
        "quartiles": [round(q, 1) for q in statistics.quantiles(rates[5:], n=4)[::2]],
        "command": "python -m bench.detector --gpu",
    }


def _median_ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _sample_jpeg() -> bytes:
    from skimage.data import astronaut

    picture = cv2.resize(cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR), (720, 720))
    wide = cv2.copyMakeBorder(picture, 0, 0, 280, 280, cv2.BORDER_REFLECT)
    return cv2.imencode(".jpg", wide, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _memory_mib(name: str, runtime: str, threads: int) -> float:
    """What loading and running a model adds to a process of its own, at its peak."""
    command = [sys.executable, "-m", "bench.detector", "--memory-of", name, runtime, str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_memory(name: str, runtime: str, threads: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        cfg = write_cfg(name, Path(directory))
        network = read_network(cfg.read_bytes(), cfg.name)
        shape = (1, 3, network.height, network.width)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cv2.setNumThreads(threads)
        if runtime == PEER:
            run = open_peer(cfg)
            pictures = np.zeros(shape, np.float32)
        else:
            kind, _, precision = runtime.partition(":")
            model = read_darknet(describe_cfg(cfg), Path(directory))
            run = RUNTIMES[kind].open(model, precision, threads).run  # type: ignore[arg-type]
            pictures = np.zeros(shape, np.uint8)
        for _ in range(3):
            run(pictures)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main() -> None:
    """Run the benchmark, print a table, write JSON and a plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seconds", type=float, default=10, help="of each combination of model, threads and batch")
    parser.add_argument("--output", type=Path, default=RESULTS / "detector.json")
    parser.add_argument("--gpu", action="store_true", help="only PyTorch on a GPU")
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        _print_memory(options.memory_of[0], options.memory_of[1], int(options.memory_of[2]))
        return
    if options.gpu:
        result = measure_gpu()
        (RESULTS / "detector-gpu.json").write_text(json.dumps(result, indent=1) + "\n")
        print(json.dumps(result, indent=1))
        return
    peak = PeakKernel()
    result: dict[str, Any] = {
        "processor": processor()[0],
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {"opencv": cv2.__version__, **installed_versions()},
        "peak_gflops": {str(t): round(peak.measure(t) / 1e9) for t in sorted({1, os.cpu_count() or 1})},
        "whole_call_1280x720_at_608": whole_call(options.seconds),
        "rows": [],
    }
    print("whole call:", result["whole_call_1280x720_at_608"], flush=True)
    for model in options.models:
        for batch in BATCHES[model]:
            for threads in sorted({1, os.cpu_count() or 1}):
                rows = measure(model, threads, batch, options.seconds, peak)
                result["rows"] += rows
                _print_rows(rows)
                _save(result, options.output)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        print(
            f"{row['model']:17} {row['threads']} threads, batch {row['batch']:2}  {row['runtime']:22} "
            f"{row['ms_a_picture']:9.2f} ms  {row['times_as_fast_as_peer']:6.2f} times the peer  "
            f"{100 * row['share_of_peak']:4.0f} % of peak",
            flush=True,
        )


def _save(result: dict[str, Any], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    groups: dict[str, dict[str, float]] = {}
    for row in result["rows"]:
        title = f"{row['model']}, {row['threads']} threads, batch {row['batch']}: times as fast as {PEER}"
        groups.setdefault(title, {})[row["runtime"]] = row["times_as_fast_as_peer"]
    output.with_suffix(".png").write_bytes(draw_bars(groups))


if __name__ == "__main__":
    sys.exit(main())
