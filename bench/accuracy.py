"""What a runtime or precision costs of a detector's average precision on labelled pictures.

    python -m bench.accuracy PICTURES [--model NAME] [--runtime openvino:int8 …]

PICTURES are in any form that `training/datasets.py` reads; the scorer is `training/scoring.py`.
"""

import argparse
import sys
from pathlib import Path

from detection import load_detector
from training.datasets import read_dataset
from training.scoring import SIZES, find_all, precision_recall


def main() -> None:
    """Print the average precision of every runtime asked for by size of face, and its differences to the first in
    points."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", default="yolov3-face-lite")
    parser.add_argument("--runtime", nargs="+", default=["onnxruntime:float32"])
    parser.add_argument("--cache-dir", type=Path, default=Path("~/.cache/crowdwatch").expanduser())
    options = parser.parse_args()
    pictures = list(read_dataset(options.pictures))
    first: dict[str, float] = {}
    for runtime in options.runtime:
        detector = load_detector(options.model, runtime=runtime, threads=2, cache_dir=options.cache_dir)
        scored = list(find_all(detector, pictures))
        scores = {size: precision_recall(scored, size).average_precision for size in SIZES}
        first = first or scores
        shown = ", ".join(f"{size} {ap:.4f} ({100 * (ap - first[size]):+.2f})" for size, ap in scores.items())
        print(f"{options.model} {runtime}: AP {shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
