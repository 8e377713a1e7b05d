"""Measure detectors on labelled pictures: average precision by size of face, precision, recall and count error at the
default threshold, and milliseconds on one thread.

    python -m training.evaluate PICTURES [--model NAME|FILE.cfg …] [--side 416 608 …] [--runtime NAME …]
                                [--peers FILE.onnx …] [--output FOLDER]

OpenCV's Haar cascade is always a peer. FOLDER gets `evaluation.md`, `evaluation.json`, and the plots
`precision-recall-SIZE.svg` and `accuracy-time.svg`.
"""

import argparse
import json
import math
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from contracts.errors import CrowdwatchError
from detection import Detector, decode_picture, load_detector
from detection.manifest import find_model
from training.curves import Axis, draw_curves, draw_points
from training.datasets import read_dataset
from training.labelled import Labelled
from training.peers import HaarCascade, load_peer
from training.scoring import SIZES, Curve, Operation, find_all, operate, precision_recall
from training.validation import resize_cfg

DEFAULT_THRESHOLD = 0.5
_FLOAT = "onnxruntime:float32"
_SUFFIXES = {"weights": ".weights", "calibration": ".calibration.json"}
_TIMED = 40
_GOOD = 0.8


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one detector gives: curves by size, what the default threshold gives, and milliseconds a picture."""

    name: str
    curves: dict[str, Curve]
    operation: Operation
    ms: float

    def row(self) -> dict[str, str | float]:
        """Return the figures for a table."""
        average = {f"AP {size}": round(curve.average_precision, 4) for size, curve in self.curves.items()}
        return {
            "detector": self.name,
            **average,
            "precision": round(self.operation.precision, 3),
            "recall": round(self.operation.recall, 3),
            "count error": round(self.operation.count_error, 3),
            "ms": round(self.ms, 1),
        }


def evaluate(name: str, detector: Detector, pictures: Sequence[Labelled]) -> Evaluation:
    """Measure one detector."""
    scored = list(find_all(detector, pictures))
    curves = {size: precision_recall(scored, size) for size in SIZES}
    return Evaluation(name, curves, operate(scored, DEFAULT_THRESHOLD), _milliseconds(detector, pictures))


def _milliseconds(detector: Detector, pictures: Sequence[Labelled]) -> float:
    """Return the median time of a decoded picture from pixels to boxes."""
    times = []
    for labelled in pictures[:_TIMED]:
        picture = decode_picture(labelled.data, max_pixels=10**8)
        start = time.perf_counter()
        detector.detect([picture])
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def to_markdown(evaluations: Sequence[Evaluation]) -> str:
    """Return the table."""
    rows = [evaluation.row() for evaluation in evaluations]
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_report(evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Write table, figures and plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.md").write_text(to_markdown(evaluations))
    (folder / "evaluation.json").write_text(json.dumps([one.row() for one in evaluations], indent=1) + "\n")
    recall, precision = Axis("recall", 0.0, 1.0), Axis("precision", 0.5, 1.0)
    for size, (least, limit) in SIZES.items():
        shown = f"{least:g} px and more" if np.isinf(limit) else f"{least:g} to {limit:g} px"
        curves = {
            f"{one.name}: {one.curves[size].average_precision:.3f}": list(
                zip(one.curves[size].recall.tolist(), one.curves[size].precision.tolist(), strict=True)
            )
            for one in evaluations
        }
        axis = Axis(f"recall of faces of {shown} (at 416)", recall.least, recall.most)
        (folder / f"precision-recall-{size}.svg").write_text(draw_curves(axis, precision, curves))
    (folder / "accuracy-time.svg").write_text(_frontier(evaluations))


def _frontier(evaluations: Sequence[Evaluation]) -> str:
    """Draw accuracy against time, the inputs of a network joined; what is far worse than the best lies on the edge."""
    scored = [(one, one.curves["all"].average_precision) for one in evaluations]
    floor = _GOOD * max(precision for _, precision in scored)
    least = min(precision for _, precision in scored if precision > floor)
    slowest_ms = max(one.ms for one, precision in scored if precision > floor)
    x = Axis("ms a picture, one thread", 0, 10 * math.ceil(0.11 * slowest_ms))
    y = Axis("average precision", math.floor(20 * least - 0.5) / 20, 1.0)
    groups: dict[str, list[tuple[float, float, str]]] = {}
    for one, precision in scored:
        found = re.fullmatch(r"(.*) at (\d+)(.*)", one.name)
        name, label = (found[1] + found[3], found[2]) if found else (one.name, "")
        if precision <= floor:
            label = f"{precision:.2f} in {one.ms:.0f} ms"
        groups.setdefault(name, []).append((one.ms, precision, label))
    return draw_points(x, y, groups)


def _detectors(options: argparse.Namespace, cache_dir: Path) -> Iterator[tuple[str, Detector]]:
    for model in options.model:
        entry = find_model(model, cache_dir)
        cfg = entry.files["cfg"].read().decode()
        for side in options.side or [None]:
            name = entry.name if side is None else f"{entry.name}-{side}"
            file = cache_dir / f"{name}.cfg"
            file.write_text(cfg if side is None else resize_cfg(cfg, side))
            for role in ("weights", "calibration"):
                if role in entry.files:
                    file.with_suffix(_SUFFIXES[role]).write_bytes(entry.files[role].read())
            for runtime in options.runtime:
                detector = load_detector(str(file), runtime=runtime, threads=1, cache_dir=cache_dir)
                where = "" if runtime == _FLOAT else f", {runtime}"
                yield f"{entry.name} at {detector.input_size[0]}{where}", detector
    for peer in options.peers:
        yield peer.stem, load_peer(peer, cache_dir, threads=1)
    yield HaarCascade.name, HaarCascade()


def main(arguments: list[str] | None = None) -> int:
    """Evaluate; returns the exit code."""
    parser = argparse.ArgumentParser(
        "training.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", nargs="*", default=["yolov3-face-lite"], help="Darknet models (%(default)s)")
    parser.add_argument("--side", type=int, nargs="*", default=[], help="input sizes to try instead of the .cfg's")
    parser.add_argument("--runtime", nargs="+", default=[_FLOAT], help="as openvino:int8, for each (%(default)s)")
    parser.add_argument("--peers", type=Path, nargs="*", default=[], help="YuNet and SCRFD as .onnx")
    parser.add_argument("--output", type=Path, help="folder for table and plots")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    evaluations = []
    try:
        pictures = list(read_dataset(options.pictures))
        with tempfile.TemporaryDirectory() as directory:
            for name, detector in _detectors(options, Path(directory)):
                evaluations.append(evaluate(name, detector, pictures))
                console.print(evaluations[-1].row())
    except (CrowdwatchError, OSError) as error:
        console.print(f"error: {error}", style="red")
        return 1
    console.print(to_markdown(evaluations))
    if options.output is not None:
        write_report(evaluations, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
