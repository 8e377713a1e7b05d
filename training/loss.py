"""The loss of a YOLOv3 in plain Darknet decoding: complete IoU of the boxes, objectness that learns their quality, and
the class.

Sources: Redmon & Farhadi, "YOLOv3", 2018 (decoding, what is neither face nor background); Li et al., "Generalized Focal
Loss", 2020 (objectness).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional

from detection.darknet.layers import Network, Yolo
from training.boxes import anchors_of, area, decode, overlap, paired_iou, size_iou

_SIZE_FACTOR = 2.0
"""A face is learned by its best anchor and by every other one whose width and height are within this factor of its
own."""

_NEAR_IOU = 0.65
"""What overlaps a face this much is not taught to be background; suppression removes it."""

_COVERED = 0.5
_SURE = 0.05
"""Only boxes of more than this score are looked at for the two above; on others little depends."""

_LEAST_QUALITY = 0.3
"""Objectness that is taught where the box does not yet overlap the face at all; with a perfect box it is 1."""

_BOX, _CLASS = 2.0, 0.25


@dataclass(frozen=True)
class Loss:
    """The loss of a batch and its parts, each a scalar."""

    total: torch.Tensor
    box: torch.Tensor
    objectness: torch.Tensor
    class_: torch.Tensor


@dataclass(frozen=True)
class _Places:
    """Where a head learns which face, all (n,): picture, anchor, row, column and the number of the face."""

    picture: torch.Tensor
    anchor: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    face: torch.Tensor


def detection_loss(
    network: Network, heads: Sequence[torch.Tensor], side: int, faces: torch.Tensor, ignored: torch.Tensor
) -> Loss:
    """Return the loss of a batch.

    Args:
        network: with one class; a face is of class 0.
        heads: the raw input of each [yolo], (n, anchors, rows, columns, 5 + classes).
        side: of the pictures in pixels.
        faces: (m, 5) number of the picture, left, top, right, bottom in pixels.
        ignored: regions in the same form, in which nothing is taught to be background.
    """
    yolos = [layer for layer in network.layers if isinstance(layer, Yolo)]
    chosen = _chosen(faces[:, 3:] - faces[:, 1:3], torch.cat([anchors_of(yolo, faces.device) for yolo in yolos]))
    count = chosen.sum().clamp(min=1)
    box, objectness, class_ = (torch.zeros((), device=faces.device) for _ in range(3))
    first = 0
    for yolo, head in zip(yolos, heads, strict=True):
        raw, stride = head.float(), side / head.shape[2]
        places = _places(chosen[:, first : first + len(yolo.anchors)], faces, raw, stride)
        first += len(yolo.anchors)
        target = torch.zeros_like(raw[..., 4])
        if len(places.face):
            picked = raw[places.picture, places.anchor, places.row, places.column]
            cells = torch.stack([places.column, places.row], 1)
            boxes = decode(picked, cells, anchors_of(yolo, raw.device)[places.anchor], stride, yolo.scale_xy)
            iou, complete = paired_iou(boxes, faces[places.face, 1:])
            box = box + (1 - complete).sum()
            quality = _LEAST_QUALITY + (1 - _LEAST_QUALITY) * iou.detach()
            target[places.picture, places.anchor, places.row, places.column] = quality
            wanted = torch.zeros_like(picked[:, 5:])
            wanted[:, 0] = 1
            class_ = class_ + functional.binary_cross_entropy_with_logits(picked[:, 5:], wanted, reduction="sum")
        counted = _counted(yolo, raw, stride, target, faces, ignored)
        objectness = objectness + (_quality_focal(raw[..., 4], target) * counted).sum()
    box, objectness, class_ = _BOX * box / count, objectness / count, _CLASS * class_ / count
    return Loss(box + objectness + class_, box.detach(), objectness.detach(), class_.detach())


def _chosen(sizes: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Return which of the anchors (m, 2) learn each of the faces of sizes (n, 2), (n, m)."""
    factors = sizes[:, None] / anchors[None]
    chosen = torch.maximum(factors, 1 / factors).amax(2) < _SIZE_FACTOR
    if len(sizes):
        chosen[torch.arange(len(sizes), device=sizes.device), size_iou(sizes, anchors).argmax(1)] = True
    return chosen


def _places(chosen: torch.Tensor, faces: torch.Tensor, raw: torch.Tensor, stride: float) -> _Places:
    face, anchor = chosen.nonzero(as_tuple=True)
    centre = (faces[face, 1:3] + faces[face, 3:]) / 2 / stride
    column = centre[:, 0].long().clamp(0, raw.shape[3] - 1)
    row = centre[:, 1].long().clamp(0, raw.shape[2] - 1)
    return _Places(faces[face, 0].long(), anchor, row, column, face)


def _counted(
    yolo: Yolo, raw: torch.Tensor, stride: float, target: torch.Tensor, faces: torch.Tensor, ignored: torch.Tensor
) -> torch.Tensor:
    """Return 1 where objectness is taught and 0 where a box lies on a face or an ignored region without being its
    place."""
    counted = torch.ones_like(target)
    with torch.no_grad():
        place = ((raw[..., 4].sigmoid() > _SURE) & (target == 0)).nonzero(as_tuple=True)
        if not len(place[0]):
            return counted
        cells = torch.stack([place[3], place[2]], 1)
        boxes = decode(raw[place], cells, anchors_of(yolo, raw.device)[place[1]], stride, yolo.scale_xy)
        shared = overlap(boxes, faces[:, 1:])
        near = shared >= _NEAR_IOU * (area(boxes)[:, None] + area(faces[:, 1:])[None] - shared)
        within = overlap(boxes, ignored[:, 1:]) >= _COVERED * area(boxes)[:, None]
        spared = (near & (place[0][:, None] == faces[None, :, 0])).any(1)
        spared |= (within & (place[0][:, None] == ignored[None, :, 0])).any(1)
        counted[place] = (~spared).float()
    return counted


def _quality_focal(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    distance = (target - logits.sigmoid()).abs()
    return distance * functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
