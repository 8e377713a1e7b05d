"""Encoded pictures to pixels: upright, three channels of eight bits, or an error that says why not."""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from contracts.errors import PictureError
from detection.picture_headers import PictureHeader, read_header

Pixels: TypeAlias = npt.NDArray[np.uint8]

_REDUCTIONS = (8, 4, 2)
# Warnings of the JPEG decoder about files that nevertheless hold the whole picture; webcams write such.
_HARMLESS_JPEG = ("extraneous bytes before marker", "Invalid SOS parameters", "Unknown Adobe color transform")
_JPEG_END, _JPEG_TAIL = b"\xff\xd9", 4096


@dataclass(frozen=True)
class Picture:
    """One upright picture.

    `pixels` is (height, width, 3) uint8 in the order blue, green, red, perhaps reduced by 2, 4 or 8; `width` and
    `height` are those of the picture as sent, after EXIF rotation, and what boxes refer to.
    """

    pixels: Pixels
    width: int
    height: int

    @classmethod
    def from_frame(cls, frame: Pixels) -> "Picture":
        """Wrap pixels that are decoded already.

        Raises:
            PictureError: `frame` is not (height, width, 3) uint8 with at least one pixel.
        """
        if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            shape = f"{frame.shape} {frame.dtype}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise PictureError(f"expected pixels of shape (height, width, 3), uint8, got {shape}")
        if not frame.size:
            raise PictureError(f"expected at least one pixel, got the shape {frame.shape}")
        return cls(frame, width=frame.shape[1], height=frame.shape[0])


def decode_picture(data: bytes, *, max_pixels: int, at_least: int | None = None) -> Picture:
    """Decode a JPEG, PNG, WebP or BMP, turned upright as its EXIF says. Transparency is ignored.

    Args:
        data: the encoded picture.
        max_pixels: largest width x height; it is compared with the file's header before anything is decoded.
        at_least: the longest side in pixels that is of use to the caller; a JPEG whose longest side is at least twice
            that may come back reduced by 2, 4 or 8, but not below it.

    Raises:
        PictureError: empty, no picture, truncated, damaged, or too large; the message says which.
    """
    header = read_header(data)
    if header.width * header.height > max_pixels:
        raise PictureError(
            f"too large: {header.width}x{header.height} is {header.width * header.height:,} pixels, "
            f"{max_pixels:,} are allowed"
        )
    pixels = _decode_jpeg(data, header, at_least) if header.format == "JPEG" else _decode_other(data, header)
    upright = _turn_upright(pixels, header.orientation)
    turned = header.orientation >= 5
    return Picture(
        upright,
        width=header.height if turned else header.width,
        height=header.width if turned else header.height,
    )


def _decode_jpeg(data: bytes, header: PictureHeader, at_least: int | None) -> Pixels:
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise PictureError(f"damaged JPEG: {error}") from error
    if (width, height) != (header.width, header.height):
        raise PictureError(f"damaged JPEG: its size is both {header.width}x{header.height} and {width}x{height}")
    reduction = 1
    if at_least is not None:
        longest = max(width, height)
        reduction = next((factor for factor in _REDUCTIONS if longest >= factor * at_least), 1)
    printed = colorspace in ("CMYK", "YCCK")
    options = {
        "colorspace": "CMYK" if printed else "BGR",
        "min_width": -(-width // reduction),
        "min_height": -(-height // reduction),
    }
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, **options)
    except ValueError as error:
        ended = _JPEG_END in data[-_JPEG_TAIL:]  # a harmless warning may hide that more is missing
        if not ended or not any(warning in str(error) for warning in _HARMLESS_JPEG):
            what = "truncated" if "remature end" in str(error) else "damaged"
            raise PictureError(f"{what} JPEG: {error}") from error
        pixels = simplejpeg.decode_jpeg(data, strict=False, **options)
    return _from_cmyk(pixels) if printed else pixels


def _from_cmyk(cmyk: Pixels) -> Pixels:
    """Convert inverted CMYK, as all JPEGs hold it, to BGR without a colour profile."""
    inks = cmyk.astype(np.uint16)
    rgb = (inks[:, :, :3] * inks[:, :, 3:] + 127) // 255
    return np.ascontiguousarray(rgb[:, :, ::-1]).astype(np.uint8)


def _decode_other(data: bytes, header: PictureHeader) -> Pixels:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise PictureError(f"damaged {header.format}: {error.err}") from error
    if pixels is None:
        raise PictureError(f"damaged {header.format}: it cannot be decoded")
    if pixels.shape[:2] != (header.height, header.width):
        raise PictureError(
            f"damaged {header.format}: its size is both {header.width}x{header.height} "
            f"and {pixels.shape[1]}x{pixels.shape[0]}"
        )
    return pixels.astype(np.uint8, copy=False)


def _turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = cv2.transpose(pixels).astype(np.uint8, copy=False)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip).astype(np.uint8, copy=False)
