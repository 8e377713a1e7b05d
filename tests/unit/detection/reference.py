"""What OpenCV's own Darknet loader computes, in the order of ours."""

from pathlib import Path

import cv2
import numpy as np

from detection.darknet.cfg import read_network
from detection.darknet.layers import Yolo


def opencv_outputs(cfg: Path, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (n, 4, boxes) and scores (n, classes, boxes) of pictures (n, 3, height, width) uint8 BGR."""
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(cfg.with_suffix(".weights")))
    network = read_network(cfg.read_bytes(), cfg.name)
    yolos = [layer for layer in network.layers if isinstance(layer, Yolo)]
    names = [f"yolo_{index}" for index, layer in enumerate(network.layers) if isinstance(layer, Yolo)]
    boxes, scores = [], []
    for picture in pictures:
        net.setInput((picture[None, ::-1] / 255).astype(np.float32))
        rows = []
        for layer, out in zip(yolos, net.forward(names), strict=True):
            anchors = len(layer.anchors)
            rows.append(out.reshape(-1, anchors, 5 + layer.classes).transpose(1, 0, 2).reshape(-1, 5 + layer.classes))
        found = np.concatenate(rows)
        boxes.append(found[:, :4].T)
        scores.append(found[:, 5:].T)
    return np.stack(boxes), np.stack(scores)
