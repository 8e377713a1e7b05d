"""Pictures: every format and depth upright, and every damage named."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import PictureError
from detection import Picture, decode_picture

LIMIT = 10_000_000


def gradient(height: int = 60, width: int = 90) -> np.ndarray:
    """A smooth picture, blue to the right, green downwards, red in the middle: it survives JPEG, and shows any turn."""
    rows, columns = np.mgrid[:height, :width]
    middle = np.hypot(rows - height / 3, columns - width / 4)
    planes = [255 * columns / width, 255 * rows / height, 255 - 255 * middle / middle.max()]
    return np.stack(planes, axis=-1).astype(np.uint8)


def encode(ending: str, pixels: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(ending, pixels, options)[1].tobytes()


def exif(orientation: int, order: str = "<") -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return start + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def with_exif(data: bytes, block: bytes) -> bytes:
    """Put an EXIF block into a JPEG, PNG or WebP."""
    if data[:2] == b"\xff\xd8":
        body = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if data[:4] == b"\x89PNG":
        return data[:33] + chunk(b"eXIf", block) + data[33:]
    size = cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape
    extended = struct.pack("<I", 8) + (size[1] - 1).to_bytes(3, "little") + (size[0] - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + extended + data[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def assert_close(picture: Picture, expected: np.ndarray, tolerance: float) -> None:
    assert picture.pixels.shape == expected.shape
    assert picture.pixels.dtype == np.uint8
    assert (picture.width, picture.height) == (expected.shape[1], expected.shape[0])
    assert np.abs(picture.pixels.astype(int) - expected).mean() <= tolerance


GREY = cv2.cvtColor(gradient(), cv2.COLOR_BGR2GRAY)
ALPHA = np.dstack([gradient(), np.full((60, 90), 128, np.uint8)])


@pytest.mark.parametrize(
    ("data", "expected", "tolerance"),
    [
        (encode(".jpg", gradient()), gradient(), 3),
        (encode(".jpg", gradient(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1), gradient(), 3),
        (encode(".png", gradient()), gradient(), 0),
        (encode(".webp", gradient()), gradient(), 4),
        (encode(".webp", gradient(), cv2.IMWRITE_WEBP_QUALITY, 101), gradient(), 0),
        (encode(".bmp", gradient()), gradient(), 0),
        (encode(".jpg", GREY), np.dstack([GREY] * 3), 2),
        (encode(".png", GREY), np.dstack([GREY] * 3), 0),
        (encode(".bmp", GREY), np.dstack([GREY] * 3), 0),
        (encode(".png", gradient().astype(np.uint16) * 257), gradient(), 0.6),
        (encode(".png", GREY.astype(np.uint16) * 257), np.dstack([GREY] * 3), 0.6),
        (encode(".png", ALPHA), gradient(), 0),
        (encode(".webp", ALPHA, cv2.IMWRITE_WEBP_QUALITY, 101), gradient(), 0),
        (encode(".bmp", ALPHA), gradient(), 0),
    ],
    ids="jpeg progressive png webp lossless bmp grey-jpeg grey-png grey-bmp png16 grey16 rgba webp-alpha bmp32".split(),
)
def test_decodes(data: bytes, expected: np.ndarray, tolerance: float) -> None:
    assert_close(decode_picture(data, max_pixels=LIMIT), expected, tolerance)


def test_decodes_a_palette() -> None:
    indices = np.arange(60 * 90, dtype=np.uint32).reshape(60, 90) // 1800
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    rows = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in indices)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 90, 60, 8, 3, 0, 0, 0)) + chunk(b"PLTE", colours.tobytes())
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

    assert_close(decode_picture(data, max_pixels=LIMIT), colours[indices][:, :, ::-1], 0)


def test_decodes_cmyk() -> None:
    rgb = gradient()[:, :, ::-1]
    cmyk = np.dstack([rgb, np.full((60, 90, 1), 255, np.uint8)])  # inverted, as all JPEGs hold it; no black
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(cmyk), quality=95, colorspace="CMYK", colorsubsampling="444")

    assert_close(decode_picture(data, max_pixels=LIMIT), gradient(), 3)


TURNS = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_turns_as_exif_says(orientation: int, ending: str, order: str) -> None:
    data = with_exif(encode(ending, gradient()), exif(orientation, order))

    assert_close(decode_picture(data, max_pixels=LIMIT), TURNS[orientation](gradient()), 4)


@pytest.mark.parametrize(
    ("at_least", "reduction"), [(None, 1), (801, 1), (800, 2), (401, 2), (400, 4), (200, 8), (1, 8)]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_is_decoded_at_reduced_scale(at_least: int | None, reduction: int, orientation: int) -> None:
    whole = TURNS[orientation](gradient(900, 1600))
    data = with_exif(encode(".jpg", gradient(900, 1600)), exif(orientation))

    picture = decode_picture(data, max_pixels=LIMIT, at_least=at_least)

    assert (picture.width, picture.height) == (whole.shape[1], whole.shape[0])
    expected = cv2.resize(whole, None, fx=1 / reduction, fy=1 / reduction, interpolation=cv2.INTER_AREA)
    assert np.abs(np.array(picture.pixels.shape) - expected.shape).max() <= 1
    rows, columns = expected.shape[:2]
    assert np.abs(picture.pixels[:rows, :columns].astype(int) - expected).mean() < 3


JPEG, PNG, WEBP, BMP = (encode(ending, gradient()) for ending in (".jpg", ".png", ".webp", ".bmp"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"just text, no picture", "no picture: expected JPEG, PNG, WebP or BMP, got 21 bytes"),
        (b"GIF89a" + bytes(50), "a GIF instead"),
        (JPEG[: len(JPEG) // 2], "truncated JPEG"),
        (JPEG[:-2], "truncated JPEG"),
        (JPEG[:30], "truncated JPEG"),
        (JPEG[: len(JPEG) // 2] + b"\xff\xd9", "JPEG"),
        (JPEG[: JPEG.index(b"\xff\xc4")] + bytes(3) + JPEG[JPEG.index(b"\xff\xc4") : -200], "JPEG"),
        (b"\xff\xd8\xff\xd9" + bytes(9), "damaged JPEG: the picture data starts before"),
        (PNG[: len(PNG) // 2], "truncated PNG"),
        (PNG[:-1], "truncated PNG"),
        (PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:], "damaged PNG: wrong checksum"),
        (png_header(50, 50), "damaged PNG"),
        (WEBP[: len(WEBP) // 2], "truncated WebP"),
        (WEBP[:20] + bytes(len(WEBP) - 20), "damaged WebP"),
        (BMP[: len(BMP) // 2], "truncated BMP"),
        (BMP[:20], "truncated BMP"),
        (png_header(20_000, 20_000), "too large: 20000x20000 is 400,000,000 pixels, 10,000,000 are allowed"),
        (png_header(0, 10), "its size is 0x10"),
    ],
)
def test_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        decode_picture(data, max_pixels=LIMIT)


def test_a_large_jpeg_fails_before_it_is_decoded() -> None:
    head = JPEG.index(b"\xff\xc0")
    data = JPEG[: head + 5] + struct.pack(">HH", 20_000, 20_000) + JPEG[head + 9 :]

    with pytest.raises(PictureError, match="too large: 20000x20000"):
        decode_picture(data, max_pixels=LIMIT)


def test_bytes_that_webcams_leave_before_the_end_do_no_harm() -> None:
    data = JPEG[:-2] + bytes(4) + JPEG[-2:]

    assert_close(decode_picture(data, max_pixels=LIMIT), gradient(), 3)


def test_bytes_after_the_end_do_no_harm() -> None:
    assert_close(decode_picture(JPEG + b"more", max_pixels=LIMIT), gradient(), 3)


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), "no"]
)
def test_frames_of_another_shape_are_refused(frame: object) -> None:
    with pytest.raises(PictureError, match=r"expected pixels of shape \(height, width, 3\), uint8, got"):
        Picture.from_frame(frame)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), original=st.sampled_from([JPEG, PNG, WEBP, BMP]))
def test_damage_gives_a_picture_or_an_error(data: st.DataObject, original: bytes) -> None:
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode_picture(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]), max_pixels=LIMIT)
    except PictureError as error:
        assert str(error)
    else:
        assert picture.pixels.ndim == 3
