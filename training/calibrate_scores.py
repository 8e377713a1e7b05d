"""Shift the scores of a network so that the default threshold is where it counts best.

    python -m training.calibrate_scores FILE.cfg --val PICTURES

The shift is added to the objectness biases in FILE.weights: every program that loads them has it, and the order of the
finds, and so the average precision, stays. int8 ranges are to be measured anew afterwards (`crowdwatch models
calibrate`).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from contracts.errors import CrowdwatchError
from detection.cache import write_atomically
from detection.darknet.cfg import read_network
from detection.darknet.layers import Network, Yolo
from detection.darknet.weights import read_parameters, write_parameters
from training.datasets import read_dataset
from training.scoring import Scored, operate
from training.validation import find_with_weights

DEFAULT_THRESHOLD = 0.5
_GRID = np.round(np.arange(0.1, 0.9, 0.01), 2)
_NEIGHBOURS = 2
"""On each side over which the count error is averaged: its single dips are chance."""


def best_threshold(pictures: Sequence[Scored]) -> float:
    """Return the threshold around which the count error is least."""
    errors = np.array([operate(pictures, float(threshold)).count_error for threshold in _GRID])
    width = 2 * _NEIGHBOURS + 1
    smooth = np.convolve(errors, np.ones(width) / width, mode="valid")
    return float(_GRID[int(smooth.argmin()) + _NEIGHBOURS])


def shift_scores(weights: bytes, network: Network, file: str, threshold: float) -> bytes:
    """Return weights that give the score 0.5 where they gave `threshold`, for networks of one class, whose class score
    is 1 throughout.

    Raises:
        ModelError: the weights are not for this network.
    """
    shift = np.float32(np.log((1 - threshold) / threshold))
    parameters = read_parameters(weights, network, file)
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Yolo):
            bias = parameters[index - 1].bias.reshape(len(layer.anchors), -1).copy()
            bias[:, 4] += shift
            parameters[index - 1] = replace(parameters[index - 1], bias=bias.ravel())
    seen = int(np.frombuffer(weights, "<i8" if weights[4] >= 2 else "<i4", count=1, offset=12)[0])
    return write_parameters(parameters, seen)


def main(arguments: list[str] | None = None) -> int:
    """Calibrate a file; returns the exit code."""
    parser = argparse.ArgumentParser(
        "training.calibrate_scores", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cfg", type=Path)
    parser.add_argument("--val", type=Path, required=True, help="pictures that were not trained on, in any known form")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    try:
        network = read_network(options.cfg.read_bytes(), options.cfg.name)
        file = options.cfg.with_suffix(".weights")
        weights = file.read_bytes()
        pictures = list(read_dataset(options.val))
        scored = find_with_weights(options.cfg.read_text(), weights, pictures, os.cpu_count() or 1)
        threshold = best_threshold(scored)
        write_atomically(file, shift_scores(weights, network, file.name, threshold))
    except (CrowdwatchError, OSError) as error:
        console.print(f"error: {error}", style="red")
        return 1
    before, after = operate(scored, DEFAULT_THRESHOLD), operate(scored, threshold)
    console.print(
        f"{file}: what was {threshold:.2f} is now {DEFAULT_THRESHOLD}; count error there {before.count_error:.3f} "
        f"before, {after.count_error:.3f} now"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
