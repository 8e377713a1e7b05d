"""A toy: drawn faces on noise in YOLO form, and a network small enough to learn them while a test waits."""

from pathlib import Path

import cv2
import numpy as np

from tests.unit.detection.darknet_files import conv, net, yolo

ANCHORS = "8,8, 14,14, 24,24, 40,40"


def toy_cfg(side: int = 96) -> str:
    """Two scales, of 16 and 8 pixels a cell."""
    layers = [net(side), conv(8, stride=2), conv(16, stride=2), conv(32, stride=2), conv(32), conv(64, stride=2)]
    layers += [conv(32), yolo("2,3", ANCHORS, 1), "[route]\nlayers=-3\n", conv(32, 1), "[upsample]\nstride=2\n"]
    layers += ["[route]\nlayers=-1, 3\n", conv(32), yolo("0,1", ANCHORS, 1)]
    return "\n".join(layers)


def write_pictures(folder: Path, count: int, seed: int) -> Path:
    """Write `count` pictures of one to four drawn faces with their YOLO texts."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for number in range(count):
        width, height = (int(side) for side in random.integers(120, 200, 2))
        pixels = cv2.GaussianBlur(random.integers(0, 160, (height, width, 3), np.uint8), (0, 0), 2)
        lines = []
        for quarter in random.permutation(4)[: random.integers(1, 5)]:
            side = int(random.integers(16, 50))
            left = int(quarter % 2 * width // 2 + random.integers(0, max(1, width // 2 - side)))
            top = int(quarter // 2 * height // 2 + random.integers(0, max(1, height // 2 - side)))
            _draw_face(pixels, left, top, side)
            shares = ((left + side / 2) / width, (top + side / 2) / height, side / width, side / height)
            lines.append("0 " + " ".join(f"{share:.6f}" for share in shares))
        cv2.imwrite(str(folder / "images" / f"{number:03}.png"), pixels)
        (folder / "labels" / f"{number:03}.txt").write_text("\n".join(lines) + "\n")
    return folder


def _draw_face(pixels: np.ndarray, left: int, top: int, side: int) -> None:
    middle = (left + side // 2, top + side // 2)
    cv2.ellipse(pixels, middle, (side // 2, side // 2), 0, 0, 360, (150, 190, 240), -1)
    for eye in (-1, 1):
        cv2.circle(pixels, (middle[0] + eye * side // 5, middle[1] - side // 8), max(1, side // 12), (30, 30, 30), -1)
    cv2.line(
        pixels,
        (middle[0] - side // 5, middle[1] + side // 4),
        (middle[0] + side // 5, middle[1] + side // 4),
        (40, 40, 160),
        max(1, side // 14),
    )
