"""Pictures as cameras send them, and pictures as nobody should."""

import functools
import io
import random
import struct
import zlib

import av
import cv2
import numpy as np

from samples import CLIP

_WIDTH, _HEIGHT = 640, 360
_COUNT = 8
_STRANGERS = (
    b"",
    b"\x00",
    b"\xff\xd8",
    b"\xff\xd8\xff\xd9",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
    b"BM" + bytes(52),
    b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(40),
    b"RIFF\x10\x00\x00\x00WEBPVP8X" + b"\xff" * 30,
    b"II*\x00" + b"\xff" * 60,
    b"\x00\x00\x00\x18ftypheic" + bytes(60),
    b"\x00\x00\x00\x18ftypavif" + bytes(60),
    b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    b"<html><script>alert(1)</script></html>",
    b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    b"concat:file:///etc/passwd|file:///etc/hosts",
    b"PK\x03\x04" + bytes(60),
    b"\x1f\x8b\x08\x00" + bytes(60),
    b"%PDF-1.7\n",
    b"\x7fELF" + bytes(60),
    b"P6 100000 100000 255\n",
    b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 100000 +X 100000\n",
    b"v/1\x01" + bytes(60),
    b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(60),
)


@functools.cache
def good_pictures() -> tuple[bytes, ...]:
    """Return frames of the sample clip as JPEG."""
    capture, found = cv2.VideoCapture(str(CLIP)), []
    for _ in range(_COUNT):
        _, frame = capture.read()
        found.append(cv2.imencode(".jpg", cv2.resize(frame, (_WIDTH, _HEIGHT)))[1].tobytes())
    capture.release()
    return tuple(found)


@functools.cache
def _other_formats() -> tuple[bytes, ...]:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 4), np.uint8)
    bgr = np.ascontiguousarray(noise[:, :, :3])
    return (
        *(cv2.imencode(ending, bgr)[1].tobytes() for ending in (".png", ".webp", ".bmp", ".jpg", ".tiff", ".ppm")),
        cv2.imencode(".png", noise)[1].tobytes(),
        cv2.imencode(".png", noise[:, :, 0].astype(np.uint16) * 257)[1].tobytes(),
        cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
        cv2.imencode(".png", bgr[:1, :1])[1].tobytes(),
        cv2.imencode(".jpg", bgr[:1, :1])[1].tobytes(),
        cv2.imencode(".png", np.zeros((1, 20_000), np.uint8))[1].tobytes(),
    )


@functools.cache
def good_video() -> bytes:
    """Return a second of the sample clip in Matroska."""
    out = io.BytesIO()
    capture = cv2.VideoCapture(str(CLIP))
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for _ in range(5):
            _, frame = capture.read()
            picture = av.VideoFrame.from_ndarray(cv2.resize(frame, (_WIDTH, _HEIGHT)), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    capture.release()
    return out.getvalue()


def odd_picture(rng: random.Random) -> bytes:
    """Return a picture that is damaged, lies about itself, is another format than expected, or is none."""
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice(_STRANGERS)
    if kind == 1:
        return _bomb(rng)
    if kind == 2:
        return _with_exif(rng.choice(good_pictures()), rng)
    if kind == 3:
        return rng.choice(_other_formats())
    return damage(rng.choice((*good_pictures(), *_other_formats())), rng)


def odd_video(rng: random.Random) -> bytes:
    """Return a container that is damaged, or something else."""
    return odd_picture(rng) if rng.random() < 0.3 else damage(good_video(), rng)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with bits turned over, parts cut out, doubled or exchanged, cut off, or another head."""
    damaged = bytearray(data or b"\x00")
    kind = rng.randrange(7)
    if kind == 0:
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        for _ in range(rng.randint(1, 60)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    elif kind == 2:
        at = rng.randrange(len(damaged))
        del damaged[at : at + rng.randint(1, 4000)]
    elif kind == 3:
        at = rng.randrange(len(damaged))
        damaged[at:at] = damaged[at : at + rng.randint(1, 4000)] * rng.randint(1, 3)
    elif kind == 4:
        del damaged[rng.randrange(len(damaged)) :]
    elif kind == 5:
        head = rng.choice(_STRANGERS)[:12]
        damaged[: len(head)] = head
    else:
        damaged = bytearray(rng.randbytes(rng.randint(0, 4000)))
    return bytes(damaged)


def _bomb(rng: random.Random) -> bytes:
    """Return a small picture that claims to be a large one."""
    width, height = rng.choice(((65_535, 65_535), (100_000, 100_000), (2**31 - 1, 2**31 - 1), (30_000, 30_000), (0, 0)))
    kind = rng.randrange(3)
    if kind == 0:
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in (
                (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
                (b"IDAT", zlib.compress(bytes(1 << 20))),
                (b"IEND", b""),
            )
        )
    if kind == 1:
        jpeg = bytearray(rng.choice(good_pictures()))
        at = jpeg.find(b"\xff\xc0")
        jpeg[at + 5 : at + 9] = struct.pack(">HH", min(height, 65_535), min(width, 65_535))
        return bytes(jpeg)
    side = min(width, 2**31 - 1)
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", 2**32 - 1, 0, 54, 40, side, -side, 1, 24, 0, 0, 1, 1, 0, 0)


def _with_exif(jpeg: bytes, rng: random.Random) -> bytes:
    """Return a JPEG whose EXIF is nonsense."""
    orientation = rng.choice((0, 3, 6, 8, 9, 255, 65_535))
    entry = struct.pack(">HHIHH", 0x0112, rng.choice((3, 4, 0, 99)), rng.choice((1, 0, 2**32 - 1)), orientation, 0)
    tiff = b"MM\x00*" + struct.pack(">I", rng.choice((8, 0, 2**32 - 1))) + struct.pack(">H", rng.choice((1, 9999)))
    body = b"Exif\x00\x00" + tiff + entry + rng.randbytes(rng.randint(0, 40))
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
