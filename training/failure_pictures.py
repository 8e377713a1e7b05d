"""Draw where a detector's limits are, on a portrait in the public domain: the same face smaller, turned, covered,
blurred and darker, each with the score it gets.

    python -m training.failure_pictures OUT.jpg [--model NAME|FILE.cfg]
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from skimage.data import astronaut

from detection import Detector, load_detector
from training.scoring import SIDE, iou

Pixels = npt.NDArray[np.uint8]

_FACE = (172, 66, 278, 204)
"""Left, top, right, bottom of the face in the portrait."""

_PORTRAIT = 512
"""Width and height of the portrait in pixels."""

_NEAR = 0.3
"""IoU from which a find is meant for the face."""

_TILE = 256
_COLUMNS = 6
_FOUND, _MISSED = (80, 200, 80), (60, 60, 230)


def main(arguments: list[str] | None = None) -> int:
    """Draw the sheet; returns the exit code."""
    parser = argparse.ArgumentParser(
        "training.failure_pictures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="yolov3-face-lite")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        detector = load_detector(options.model, runtime="onnxruntime:float32", threads=1, cache_dir=Path(directory))
        tiles = [_tile(title, pixels, to_face, detector) for title, pixels, to_face in _variants()]
    rows = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    cv2.imwrite(str(options.out), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return 0


def _variants() -> Iterator[tuple[str, Pixels, npt.NDArray[np.float64]]]:
    """Yield title, picture and the 2 by 3 matrix that maps the portrait to it."""
    rgb: Pixels = astronaut()  # type: ignore[no-untyped-call]
    portrait = np.ascontiguousarray(rgb[..., ::-1])
    left, top, right, bottom = _FACE
    stays = np.eye(2, 3)
    for side in (10, 7, 5):
        scale = side / (right - left) * _PORTRAIT / SIDE
        matrix = np.array([[scale, 0, (1 - scale) * _PORTRAIT / 2], [0, scale, (1 - scale) * _PORTRAIT / 2]])
        yield f"{side} px of {SIDE} wide", _warp(portrait, matrix), matrix
    for angle in (90, 135, 180):
        centre = ((left + right) / 2, (top + bottom) / 2)
        matrix = cv2.getRotationMatrix2D(centre, angle, 1).astype(np.float64, copy=False)
        yield f"turned {angle} degrees", _warp(portrait, matrix), matrix
    for title, part in (("lower half covered", (top + bottom) // 2), ("eyes covered too", top + (bottom - top) // 6)):
        covered = portrait.copy()
        covered[part : bottom + 10, left - 10 : right + 10] = (200, 180, 160)
        yield title, covered, stays
    for sigma in (14, 24):
        blurred = cv2.GaussianBlur(portrait, (0, 0), sigma).astype(np.uint8, copy=False)
        yield f"blurred, sigma {sigma} px", blurred, stays
    for share in (0.05, 0.02):
        yield f"{share:.0%} of the light", (portrait * share).astype(np.uint8), stays


def _warp(picture: Pixels, matrix: npt.NDArray[np.float64]) -> Pixels:
    scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    soft = cv2.GaussianBlur(picture, (0, 0), 0.5 / scale) if scale < 0.99 else picture
    warped = cv2.warpAffine(soft, matrix, (_PORTRAIT, _PORTRAIT), borderValue=(114, 114, 114))
    return warped.astype(np.uint8, copy=False)


def _tile(title: str, picture: Pixels, to_face: npt.NDArray[np.float64], detector: Detector) -> Pixels:
    left, top, right, bottom = _FACE
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
    at = corners @ to_face[:, :2].T + to_face[:, 2]
    face = np.concatenate([at.min(axis=0), at.max(axis=0)])
    (found,) = detector.detect([picture], confidence=0.01)
    scores = found.confidence[iou(found.boxes_xyxy, face[None].astype(np.float32))[:, 0] >= _NEAR].tolist()
    score = max(scores, default=0.0)
    colour = _FOUND if score >= 0.5 else _MISSED
    drawn = picture.copy()
    cv2.rectangle(drawn, face[:2].round().astype(int).tolist(), face[2:].round().astype(int).tolist(), colour, 3)
    tile: Pixels = np.empty((_TILE, _TILE, 3), np.uint8)
    cv2.resize(drawn, (_TILE, _TILE), tile, interpolation=cv2.INTER_AREA)
    cv2.rectangle(tile, (0, _TILE - 24), (_TILE, _TILE), (255, 255, 255), -1)
    text = f"{title}: {score:.2f}" if score else f"{title}: not found"
    cv2.putText(tile, text, (6, _TILE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    sys.exit(main())
