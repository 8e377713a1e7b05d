"""Whether something moves in front of a camera, seen on small grey pictures; and how often it is sampled meanwhile.

A frame is compared with the last one that was let through. What all cells have in common, such as the light, and what
half of them have, such as noise, counts as no motion. Cells that stand out count where three of them touch, unless they
lie in a zone of the role `ignore`.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import simplejpeg
from av.video.frame import VideoFrame
from numpy.typing import NDArray

GreyPicture = NDArray[np.uint8]
Outline = Sequence[tuple[float, float]]
"""Corners of a polygon, from 0 to 1 in width and height."""

WIDTH = 160
"""Cells of a reduced picture in a row: a face of 10 pixels in a picture of 1280 is about one."""

_LEAST_CHANGE = 6.0
_TIMES_NOISE = 6.0
_MOST_CHANGE = 40.0
"""A cell stands out by so many grey levels of 255: `_LEAST_CHANGE` and a multiple of the picture's noise, at most
`_MOST_CHANGE`."""

_CELLS_TOGETHER = 3
_HOLD_S = 3.0
_SLACK_S = 0.02
_LUMA_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray")


class Sampling:
    """Lets `fps` frames a second pass while something moves and for 3 s after, else `still_fps`."""

    def __init__(self, still_fps: float, on_still: Callable[[], None], ignored: Sequence[Outline] = ()) -> None:
        """Take the rate while nothing moves, and where motion does not count.

        `on_still` is called for each frame that is left out.
        """
        self._still_s = 1 / still_fps
        self._on_still = on_still
        self._ignored = ignored
        self._passed: GreyPicture | None = None
        self._passed_s = self._moved_s = float("-inf")

    def wants(self, at_s: float, preview: Callable[[], GreyPicture] | None) -> bool:
        """Whether the frame of this time passes. One without a preview, or whose preview fails, does."""
        picture = None if preview is None else _safely(preview)
        if picture is None or self._passed is None or moved(self._passed, picture, self._ignored):
            self._moved_s = at_s
        if at_s - self._moved_s > _HOLD_S and at_s - self._passed_s < self._still_s - _SLACK_S:
            self._on_still()
            return False
        self._passed, self._passed_s = picture, at_s
        return True


def moved(before: GreyPicture, after: GreyPicture, ignored: Sequence[Outline] = ()) -> bool:
    """Whether something moved between two reduced pictures, outside of what is ignored.

    Two of different size count as motion.
    """
    if before.shape != after.shape:
        return True
    change = after.astype(np.float32) - before
    change = np.abs(change - np.median(change))
    least = min(_LEAST_CHANGE + _TIMES_NOISE * float(np.median(change)), _MOST_CHANGE)
    out = (change > least).astype(np.uint8)
    for outline in ignored:  # drawn with its edge, so that what lies half in it is covered
        corners = np.round(np.array(outline) * (out.shape[1], out.shape[0]) - 0.5).astype(np.int32)
        cv2.fillPoly(out, [corners], 0)
    together = cv2.boxFilter(out, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return bool((together[out > 0] >= _CELLS_TOGETHER).any())


def reduced(picture: cv2.typing.MatLike) -> GreyPicture:
    """Return a picture in grey (height, width) or BGR as one of `WIDTH` cells in a row."""
    if picture.ndim == 3 and picture.shape[2] == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    height, width = picture.shape[:2]
    rows = max(1, round(height * WIDTH / width))
    return cv2.resize(picture, (WIDTH, rows), interpolation=cv2.INTER_AREA).astype(np.uint8)


def reduced_jpeg(jpeg: bytes) -> GreyPicture:
    """Return a JPEG as a reduced picture; most of it is decoded at an eighth of its size. Raises ValueError."""
    return reduced(simplejpeg.decode_jpeg(jpeg, "GRAY", fastdct=True, min_width=WIDTH)[:, :, 0])


def reduced_frame(frame: VideoFrame) -> GreyPicture:
    """Return a decoded frame as a reduced picture, from its brightness alone where that lies apart."""
    if frame.format.name not in _LUMA_FIRST:
        return reduced(frame.to_ndarray(format="gray"))
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return reduced(rows[: frame.height, : frame.width])


def _safely(preview: Callable[[], GreyPicture]) -> GreyPicture | None:
    try:
        return preview()
    except Exception:  # whatever a decoder throws: the frame is judged when it is encoded
        return None
