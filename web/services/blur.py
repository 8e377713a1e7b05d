"""Faces made unrecognisable in a picture."""

import cv2
import numpy as np

from contracts.faces import BoundingBox, Face
from detection import decode_picture
from detection.pictures import Pixels

_MARGIN = 0.25
_CELLS = 6
_QUALITY = 85


def blur_faces(data: bytes, faces: tuple[Face, ...], max_pixels: int) -> bytes:
    """Return the picture as JPEG with each face, and a margin around it, reduced to a few cells.

    Raises:
        PictureError: it cannot be decoded.
    """
    pixels = decode_picture(data, max_pixels=max_pixels).pixels.copy()
    for face in faces:
        _blur(pixels, face.bounding_box)
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
