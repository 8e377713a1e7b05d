"""Boxes as tensors: raw numbers of a head to pixels, overlaps, and the complete IoU."""

import math

import torch

from detection.darknet.layers import Yolo


def decode(
    raw: torch.Tensor, cells: torch.Tensor, anchors: torch.Tensor, stride: float, scale_xy: float
) -> torch.Tensor:
    """Decode as Darknet does.

    Args:
        raw: (n, 4) x, y, width, height as the head gives them.
        cells: (n, 2) column and row.
        anchors: (n, 2) width and height in pixels.
        stride: pixels a cell.
        scale_xy: of the [yolo] layer.

    Returns:
        (n, 4) left, top, right, bottom in pixels.
    """
    centre = (raw[:, :2].sigmoid() * scale_xy - (scale_xy - 1) / 2 + cells) * stride
    half = raw[:, 2:4].clamp(max=8).exp() * anchors / 2  # beyond, an untrained head would overflow
    return torch.cat([centre - half, centre + half], 1)


def anchors_of(yolo: Yolo, device: torch.device) -> torch.Tensor:
    """Return the anchors of a layer, (n, 2) width and height in pixels."""
    return torch.tensor(yolo.anchors, dtype=torch.float32, device=device)


def size_iou(sizes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the IoU (n, m) of boxes of sizes (n, 2) and (m, 2) laid on one centre."""
    overlap = torch.minimum(sizes[:, None], others[None]).prod(2)
    return overlap / (sizes.prod(1)[:, None] + others.prod(1)[None] - overlap)


def overlap(boxes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the area (n, m) that boxes (n, 4) and (m, 4) share."""
    sides = torch.minimum(boxes[:, None, 2:], others[None, :, 2:]) - torch.maximum(
        boxes[:, None, :2], others[None, :, :2]
    )
    return sides.clamp(min=0).prod(2)


def area(boxes: torch.Tensor) -> torch.Tensor:
    """Return the areas (n,) of boxes (n, 4)."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def paired_iou(boxes: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return IoU and complete IoU (n,) of boxes with their targets, both (n, 4).

    Source: Zheng et al., "Distance-IoU Loss", 2020.
    """
    sides = torch.minimum(boxes[:, 2:], targets[:, 2:]) - torch.maximum(boxes[:, :2], targets[:, :2])
    shared = sides.clamp(min=0).prod(1)
    iou = shared / (area(boxes) + area(targets) - shared).clamp(min=1e-6)
    around = torch.maximum(boxes[:, 2:], targets[:, 2:]) - torch.minimum(boxes[:, :2], targets[:, :2])
    apart = ((boxes[:, :2] + boxes[:, 2:]) - (targets[:, :2] + targets[:, 2:])).square().sum(1) / 4
    distance = apart / around.square().sum(1).clamp(min=1e-6)
    shape = 4 / math.pi**2 * (_slant(targets) - _slant(boxes)).square()
    with torch.no_grad():
        weight = shape / (1 - iou + shape).clamp(min=1e-6)
    return iou, iou - distance - weight * shape


def _slant(boxes: torch.Tensor) -> torch.Tensor:
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
    return torch.atan(sides[:, 0] / sides[:, 1])
