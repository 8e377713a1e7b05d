"""Pictures that are shown to people: made smaller, and with faces made unrecognisable where that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from contracts.faces import BoundingBox
from detection.pictures import Pixels, decode_picture

_MARGIN = 0.25
_CELLS = 6
_QUALITY = 85


@dataclass(frozen=True)
class Still:
    """A JPEG, and the boxes of the faces in its own pixels."""

    jpeg: bytes
    boxes: tuple[BoundingBox, ...]


def blur_faces(data: bytes, boxes: Sequence[BoundingBox], max_pixels: int) -> bytes:
    """Return the picture as JPEG with each face, and a margin around it, reduced to a few cells.

    Raises:
        PictureError: it cannot be decoded.
    """
    pixels = decode_picture(data, max_pixels=max_pixels).pixels.copy()
    for box in boxes:
        _blur(pixels, box)
    return _encode(pixels)


def make_still(
    data: bytes, boxes: Sequence[BoundingBox], *, longest_side: int, max_pixels: int, blurred: bool
) -> Still:
    """Return the picture as JPEG, made smaller where its longest side is above `longest_side` pixels.

    `boxes` are those of the faces in the picture as sent; with `blurred` they are made unrecognisable.

    Raises:
        PictureError: it cannot be decoded.
    """
    picture = decode_picture(data, max_pixels=max_pixels, at_least=longest_side)
    scale = min(1.0, longest_side / max(picture.width, picture.height))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    height, width = picture.pixels.shape[:2]
    pixels = picture.pixels.copy()
    if (width, height) != size:
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    scaled = tuple(
        BoundingBox(*(round(side * scale) for side in (box.x, box.y, box.width, box.height))) for box in boxes
    )
    if blurred:
        for box in scaled:
            _blur(pixels, box)
    return Still(_encode(pixels), scaled)


def _encode(pixels: Pixels) -> bytes:
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes()


def _blur(pixels: Pixels, box: BoundingBox) -> None:
    height, width = pixels.shape[:2]
    left, top = max(0, round(box.x - _MARGIN * box.width)), max(0, round(box.y - _MARGIN * box.height))
    right = min(width, round(box.x + (1 + _MARGIN) * box.width))
    bottom = min(height, round(box.y + (1 + _MARGIN) * box.height))
    if right <= left or bottom <= top:
        return
    part = pixels[top:bottom, left:right]
    cells = cv2.resize(part, (min(_CELLS, right - left), min(_CELLS, bottom - top)), interpolation=cv2.INTER_AREA)
    pixels[top:bottom, left:right] = np.asarray(
        cv2.resize(cells, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR), np.uint8
    )
