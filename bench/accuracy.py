"""Average precision of a detector on labelled pictures, and what a runtime or precision costs of it.

    python -m bench.accuracy PICTURES.tar [--model NAME] [--runtime openvino:int8 …]

The archive holds `labels.jsonl`, one object a line: `file`, `faces` as [x, y, width, height, …] and `ignore` as
[x, y, width, height], in pixels of the picture.
"""

import argparse
import json
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detection import Detections, Detector, Picture, decode_picture, load_detector

IOU = 0.5
LEAST_SIDE = 8.0
"""Faces whose shorter side is below this on the network's input are ignored."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """A picture with its face boxes and regions that do not count, both (n, 4) left, top, right, bottom."""

    data: bytes
    faces: np.ndarray
    ignored: np.ndarray


def read_labelled(archive: Path) -> Iterator[Labelled]:
    """Read the pictures of an archive, in the order of its labels."""
    with tarfile.open(archive) as tar:
        files = {member.name.removeprefix("./"): member for member in tar.getmembers()}
        labels = tar.extractfile(files["labels.jsonl"])
        assert labels is not None
        for line in labels.read().decode().splitlines():
            fields = json.loads(line)
            name = fields["file"] if fields["file"] in files else f"images/{fields['file']}"
            picture = tar.extractfile(files[name])
            assert picture is not None
            yield Labelled(picture.read(), _to_xyxy(fields["faces"]), _to_xyxy(fields["ignore"]))


def average_precision(detector: Detector, pictures: list[Labelled]) -> float:
    """Return the average precision at IoU 0.5 over all thresholds (area under the interpolated curve)."""
    scores, hits, wanted = [], [], 0
    for labelled in pictures:
        picture = decode_picture(labelled.data, max_pixels=10**8)
        (found,) = detector.detect([picture], confidence=0.005, nms=0.45)
        counted = _is_counted(labelled.faces, picture, detector.input_size)
        wanted += int(counted.sum())
        for score, hit in _match(found, labelled, counted):
            scores.append(score)
            hits.append(hit)
    order = np.argsort(-np.array(scores), kind="stable")
    right = np.cumsum(np.array(hits)[order])
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate([[0], right / wanted])
    return float(np.sum(np.diff(recall) * precision))


def _match(found: Detections, labelled: Labelled, counted: np.ndarray) -> Iterator[tuple[float, bool]]:
    """Give each find, by falling confidence, to the free face that it overlaps most; finds on what does not count drop
    out."""
    free = np.ones(len(labelled.faces), bool)
    for box, score in zip(found.boxes_xyxy, found.confidence, strict=True):
        overlap = _iou(box, labelled.faces)
        candidates = np.where(free & counted, overlap, 0)
        if candidates.size and candidates.max() >= IOU:
            free[candidates.argmax()] = False
            yield float(score), True
        elif not (overlap[~counted] >= IOU).any() and not (_covered(box, labelled.ignored) >= IOU).any():
            yield float(score), False


def _is_counted(faces: np.ndarray, picture: Picture, input_size: tuple[int, int]) -> np.ndarray:
    scale = min(input_size[0] / picture.width, input_size[1] / picture.height)
    return np.minimum(faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 1]) * scale >= LEAST_SIDE


def _to_xyxy(boxes: list[list[float]]) -> np.ndarray:
    array = np.array([box[:4] for box in boxes], np.float64).reshape(-1, 4)
    return np.concatenate([array[:, :2], array[:, :2] + array[:, 2:]], axis=1)


def _overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return np.maximum(sides, 0).prod(axis=1)


def _iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    overlap = _overlap(box, boxes)
    return overlap / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - overlap)


def _covered(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return _overlap(box, boxes) / max((box[2:] - box[:2]).prod(), 1e-9)


def main() -> None:
    """Print the average precision of every runtime asked for, and its difference to the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--model", default="yolov3-face-lite")
    parser.add_argument("--runtime", nargs="+", default=["onnxruntime:float32"])
    parser.add_argument("--cache-dir", type=Path, default=Path("~/.cache/crowdwatch").expanduser())
    options = parser.parse_args()
    pictures = list(read_labelled(options.archive))
    first: float | None = None
    for runtime in options.runtime:
        detector = load_detector(options.model, runtime=runtime, threads=2, cache_dir=options.cache_dir)
        score = average_precision(detector, pictures)
        first = score if first is None else first
        print(f"{options.model} {runtime}: AP {score:.4f} ({100 * (score - first):+.2f} points)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
