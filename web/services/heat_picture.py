"""A heatmap as a picture: its cells drawn over what the camera shows."""

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import CrowdwatchError
from detection.pictures import decode_picture

_WIDTH = 960
_BACKGROUND = 24
_MOST_OPAQUE = 0.7
_MOST_PIXELS = 50_000_000

Pixels = NDArray[np.uint8]


def draw_heat(cells: list[list[float]], picture: bytes | None) -> bytes:
    """Return a PNG, 960 pixels wide, of the cells over an encoded picture; over a dark ground without one.

    Colours follow the square root of a cell's share of the fullest one; empty cells let the picture through.
    """
    heat = np.array(cells, np.float32)
    ground = _ground(picture, heat.shape[0] / heat.shape[1])
    height, width = ground.shape[:2]
    share = np.sqrt(heat / heat.max()) if heat.max() > 0 else heat
    large = np.clip(cv2.resize(share, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    colours = cv2.applyColorMap((255 * large).astype(np.uint8), cv2.COLORMAP_TURBO)
    opaque = (_MOST_OPAQUE * np.minimum(4 * large, 1))[:, :, None]
    mixed = (ground * (1 - opaque) + colours * opaque).astype(np.uint8)
    encoded: Pixels = cv2.imencode(".png", mixed)[1]
    return encoded.tobytes()


def _ground(picture: bytes | None, aspect: float) -> Pixels:
    if picture:
        try:
            pixels = decode_picture(picture, max_pixels=_MOST_PIXELS, at_least=_WIDTH).pixels
        except CrowdwatchError:  # what cannot be decoded cannot be drawn over
            pixels = None
        if pixels is not None:
            height = round(_WIDTH * pixels.shape[0] / pixels.shape[1])
            shown: Pixels = cv2.resize(pixels, (_WIDTH, max(height, 1)), interpolation=cv2.INTER_AREA).astype(np.uint8)
            return shown
    return np.full((round(_WIDTH * aspect), _WIDTH, 3), _BACKGROUND, np.uint8)
