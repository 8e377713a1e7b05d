"""Pictures to the network's input, and boxes back to the picture."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from detection.pictures import Picture, Pixels

Fit: TypeAlias = Literal["letterbox", "stretch"]

_GREY = 114


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the network's input: left and top edge, width and height, in pixels of the input."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def of(cls, picture: Picture, input_size: tuple[int, int], fit: Fit) -> "Placement":
        """Place a picture in an input of (width, height): as large as fits and centred, or stretched over all of it."""
        width, height = input_size
        if fit == "stretch":
            return cls(0, 0, width, height)
        scale = min(width / picture.width, height / picture.height)
        inner_width = min(width, max(1, round(picture.width * scale)))
        inner_height = min(height, max(1, round(picture.height * scale)))
        return cls((width - inner_width) // 2, (height - inner_height) // 2, inner_width, inner_height)

    def to_picture(self, boxes_xyxy: npt.NDArray[np.float32], picture: Picture) -> npt.NDArray[np.float32]:
        """Map boxes (n, 4) from pixels of the input to pixels of the picture as sent, clipped to it."""
        scale = np.array([picture.width / self.width, picture.height / self.height] * 2)
        origin = np.array([self.left, self.top] * 2)
        limits = np.array([picture.width, picture.height] * 2)
        mapped: npt.NDArray[np.float32] = np.clip((boxes_xyxy - origin) * scale, 0, limits).astype(np.float32)
        return mapped


def fill_input(planes: Pixels, picture: Picture, placement: Placement) -> None:
    """Resize a picture into its place in the input `planes`, (3, height, width) uint8; around it goes grey (114)."""
    size = (placement.width, placement.height)
    pixels = picture.pixels
    if (pixels.shape[1], pixels.shape[0]) != size:
        shrinks = pixels.shape[1] > 2 * size[0] or pixels.shape[0] > 2 * size[1]
        # Beyond a half, linear interpolation skips pixels and small faces dissolve into noise.
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels = cv2.resize(pixels, size, interpolation=interpolation).astype(np.uint8, copy=False)
    right, bottom = placement.left + placement.width, placement.top + placement.height
    planes[:, : placement.top] = _GREY
    planes[:, bottom:] = _GREY
    planes[:, placement.top : bottom, : placement.left] = _GREY
    planes[:, placement.top : bottom, right:] = _GREY
    cv2.split(pixels, [plane[placement.top : bottom, placement.left : right] for plane in planes])
