"""Small faces in large pictures: overlapping tiles at full resolution and the whole picture, merged."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from detection.detector import AnyPicture, Detector
from detection.pictures import Picture
from detection.results import Detections
from detection.suppress import suppress

Edges: TypeAlias = tuple[int, int, int, int]

_OVERLAP = 0.25
"""Of a tile's side: faces up to this size lie whole in at least one tile, larger ones are found in the whole
picture."""

_EDGE_PX = 2.0
_COVERED = 0.7


def detect_tiled(
    detector: Detector, pictures: Sequence[AnyPicture], *, confidence: float = 0.5, nms: float = 0.5
) -> list[Detections]:
    """Find faces in pictures and in tiles of them as large as the network's input, so that nothing is made smaller.

    A find that a tile's inner edge cuts is left out, and so is one that a surer find covers by most of its area: the
    tile beside or the whole picture has the complete face.

    Args:
        detector: any.
        pictures: at full resolution.
        confidence: least score of a face.
        nms: overlap (IoU) above which the weaker of two boxes of one class goes.

    Returns:
        One answer a picture, in order.

    Raises:
        PictureError: as the detector raises it.
    """
    return [_detect_one(detector, picture, confidence, nms) for picture in pictures]


def tile_edges(width: int, height: int, tile: tuple[int, int]) -> list[Edges]:
    """Return left, top, right, bottom of tiles of (width, height) pixels that cover a picture, evenly spread and
    overlapping by a quarter at least; none where one tile would do."""
    if width <= tile[0] and height <= tile[1]:
        return []
    lefts, tops = _starts(width, tile[0]), _starts(height, tile[1])
    return [(left, top, min(left + tile[0], width), min(top + tile[1], height)) for top in tops for left in lefts]


def _starts(length: int, tile: int) -> list[int]:
    if length <= tile:
        return [0]
    count = 1 + int(np.ceil((length - tile) / (tile * (1 - _OVERLAP))))
    return [round(start) for start in np.linspace(0, length - tile, count)]


def _detect_one(detector: Detector, picture: AnyPicture, confidence: float, nms: float) -> Detections:
    whole = picture if isinstance(picture, Picture) else Picture.from_frame(picture)
    rows, columns = whole.pixels.shape[:2]
    edges = tile_edges(columns, rows, detector.input_size)
    tiles = [whole.pixels[top:bottom, left:right] for left, top, right, bottom in edges]
    found = detector.detect([whole, *tiles], confidence=confidence, nms=nms)
    if not tiles:
        return found[0]
    scale = np.array([whole.width / columns, whole.height / rows] * 2, np.float32)
    boxes, confidences, classes = [found[0].boxes_xyxy], [found[0].confidence], [found[0].class_id]
    for edge, inside in zip(edges, found[1:], strict=True):
        complete = _is_complete(inside.boxes_xyxy, edge, (columns, rows))
        origin = np.array([edge[0], edge[1]] * 2, np.float32)
        boxes.append((inside.boxes_xyxy[complete] + origin) * scale)
        confidences.append(inside.confidence[complete])
        classes.append(inside.class_id[complete])
    return _merge(np.concatenate(boxes), np.concatenate(confidences), np.concatenate(classes), whole, nms)


def _is_complete(boxes_xyxy: npt.NDArray[np.float32], edge: Edges, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Whether each box of a tile keeps off the tile's inner edges; at the picture's own edge there is no more to
    see."""
    left, top, right, bottom = edge
    width, height = right - left, bottom - top
    complete: npt.NDArray[np.bool_] = (
        ((boxes_xyxy[:, 0] > _EDGE_PX) | (left == 0))
        & ((boxes_xyxy[:, 1] > _EDGE_PX) | (top == 0))
        & ((boxes_xyxy[:, 2] < width - _EDGE_PX) | (right == size[0]))
        & ((boxes_xyxy[:, 3] < height - _EDGE_PX) | (bottom == size[1]))
    )
    return complete


def _merge(
    boxes_xyxy: npt.NDArray[np.float32],
    confidence: npt.NDArray[np.float32],
    class_id: npt.NDArray[np.int64],
    picture: Picture,
    nms: float,
) -> Detections:
    kept = suppress(boxes_xyxy, confidence, class_id, nms, covered=_COVERED)
    return Detections(boxes_xyxy[kept], confidence[kept], class_id[kept], picture.width, picture.height)
