"""What an encoded picture says of itself before it is decoded: format, size and rotation, and whether it is whole.

Sources: JPEG (ITU-T T.81), PNG (ISO/IEC 15948), the WebP container specification, BMP (Windows GDI), EXIF 2.32.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from contracts.errors import PictureError

Format = Literal["JPEG", "PNG", "WebP", "BMP"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ORIENTATION_TAG = 0x0112
_OTHER_FORMATS = {
    b"GIF8": "a GIF",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"\0\0\0\x0cjP": "a JPEG 2000",
}


@dataclass(frozen=True)
class PictureHeader:
    """Size in pixels as stored (before rotation) and the EXIF orientation, 1 to 8 (1: upright)."""

    format: Format
    width: int
    height: int
    orientation: int


def read_header(data: bytes) -> PictureHeader:
    """Read format, size and rotation of an encoded picture without decoding it.

    Raises:
        PictureError: the data is empty, is no JPEG, PNG, WebP or BMP, ends early, or is damaged where that can be told.
    """
    if not data:
        raise PictureError("empty: 0 bytes instead of a picture")
    if data[:2] == b"\xff\xd8":
        return _read_jpeg(data)
    if data[:8] == _PNG_SIGNATURE:
        return _read_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp(data)
    if data[:2] == b"BM" and len(data) >= 14:
        return _read_bmp(data)
    for start, name in _OTHER_FORMATS.items():
        if data.startswith(start):
            raise PictureError(f"{name} instead of a JPEG, PNG, WebP or BMP picture")
    raise PictureError(f"no picture: expected JPEG, PNG, WebP or BMP, got {len(data)} bytes that start {data[:12]!r}")


def _read_jpeg(data: bytes) -> PictureHeader:
    position, orientation = 2, 1
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise PictureError(f"damaged JPEG: no marker at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if 0xD0 <= marker <= 0xD8 or marker == 0x01:  # markers without a length
            position += 2
            continue
        if marker in (0xD9, 0xDA):
            raise PictureError("damaged JPEG: the picture data starts before its size is given")
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if len(segment) < 6:
                break
            height, width = struct.unpack(">HH", segment[1:5])
            return _header("JPEG", width, height, orientation)
        if marker == 0xE1 and segment[:6] == b"Exif\0\0":
            orientation = _read_orientation(segment[6:])
        position += 2 + length
    raise PictureError(f"truncated JPEG: {len(data)} bytes end before its size is given")


def _read_png(data: bytes) -> PictureHeader:
    position, width, height, orientation, has_pixels = 8, 0, 0, 1, False
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            break
        body = data[position + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[end - 4 : end], "big"):
            raise PictureError(f"damaged PNG: wrong checksum of chunk {kind.decode('latin-1')!r} at byte {position}")
        if position == 8:
            if kind != b"IHDR" or length != 13:
                raise PictureError("damaged PNG: it does not start with its header")
            width, height = struct.unpack(">II", body[:8])
        elif kind == b"eXIf":
            orientation = _read_orientation(body)
        elif kind == b"IDAT":
            has_pixels = True
        elif kind == b"IEND":
            if not has_pixels:
                raise PictureError("damaged PNG: it holds no pixels")
            return _header("PNG", width, height, orientation)
        position = end
    raise PictureError(f"truncated PNG: {len(data)} bytes end before its last chunk")


def _read_webp(data: bytes) -> PictureHeader:
    stated = int.from_bytes(data[4:8], "little") + 8
    if len(data) < stated or len(data) < 30:
        raise PictureError(f"truncated WebP: {len(data)} of {stated} bytes")
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
        return _header("WebP", width, height, _webp_orientation(data[:stated]))
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return _header("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1)
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return _header("WebP", width & 0x3FFF, height & 0x3FFF, 1)
    raise PictureError(f"damaged WebP: no picture in its first chunk {kind.decode('latin-1')!r}")


def _webp_orientation(data: bytes) -> int:
    position = 12
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"EXIF":
            body = data[position + 8 : position + 8 + length]
            return _read_orientation(body[6:] if body.startswith(b"Exif\0\0") else body)
        position += 8 + length + (length & 1)
    return 1


def _read_bmp(data: bytes) -> PictureHeader:
    pixels_at, info = struct.unpack("<II", data[10:18]) if len(data) >= 18 else (0, 0)
    if info == 12 and len(data) >= 26:
        width, height, _, bits = struct.unpack("<HHHH", data[18:26])
        compression = 0
    elif info >= 40 and len(data) >= 34:
        width, height, _, bits, compression = struct.unpack("<iiHHI", data[18:34])
    else:
        raise PictureError(f"truncated BMP: {len(data)} bytes end before its size is given")
    height = abs(height)
    if compression in (0, 3):  # plain rows, each padded to four bytes
        needed = pixels_at + (width * bits + 31) // 32 * 4 * height
        if len(data) < needed:
            raise PictureError(f"truncated BMP: {len(data)} of {needed} bytes")
    return _header("BMP", width, height, 1)


def _header(format_: Format, width: int, height: int, orientation: int) -> PictureHeader:
    if width < 1 or height < 1:
        raise PictureError(f"damaged {format_}: its size is {width}x{height}")
    return PictureHeader(format_, width, height, orientation)


def _read_orientation(tiff: bytes) -> int:
    """Return the orientation tag of an EXIF block; 1 where there is none or it makes no sense."""
    if tiff[:2] not in (b"II", b"MM") or len(tiff) < 8:
        return 1
    order = "<" if tiff[:2] == b"II" else ">"
    (directory,) = struct.unpack(order + "I", tiff[4:8])
    if directory + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack(order + "H", tiff[directory : directory + 2])
    for index in range(entries):
        entry = tiff[directory + 2 + 12 * index : directory + 14 + 12 * index]
        if len(entry) < 12:
            return 1
        tag, _, _, value = struct.unpack(order + "HHIH", entry[:10])
        if tag == _ORIENTATION_TAG:
            return value if 1 <= value <= 8 else 1
    return 1
