"""What cameras do to pictures: light, colour, blur, noise, compression, and things in front of faces."""

import cv2
import numpy as np
import numpy.typing as npt

from training.picture_cache import Sample

Pixels = npt.NDArray[np.uint8]


def apply_effects(sample: Sample, random: np.random.Generator) -> Sample:
    """Return a picture with effects chosen by chance; its boxes stay."""
    pixels = sample.pixels
    if random.random() < 0.15:
        pixels = _occlude(pixels, sample.faces, random)
    if random.random() < 0.8:
        pixels = _light(pixels, random)
    if random.random() < 0.5:
        pixels = _colour(pixels, random)
    if random.random() < 0.15:
        pixels = _blur(pixels, random)
    if random.random() < 0.2:
        pixels = _noise(pixels, random)
    if random.random() < 0.3:
        pixels = _compress(pixels, random)
    return Sample(pixels, sample.faces, sample.ignored)


def _light(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Change gamma, contrast and brightness."""
    values = np.linspace(0, 1, 256) ** np.exp(random.uniform(-0.5, 0.5))
    values = (values - 0.5) * random.uniform(0.6, 1.35) + 0.5 + random.uniform(-0.15, 0.15)
    return cv2.LUT(pixels, (np.clip(values, 0, 1) * 255).astype(np.uint8)).astype(np.uint8, copy=False)


def _colour(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Change the balance of the colours, and their strength down to grey."""
    balance = random.uniform(0.85, 1.15, 3)
    strength = 0.0 if random.random() < 0.15 else random.uniform(0.4, 1.5)
    grey = np.array([0.114, 0.587, 0.299])
    matrix = (strength * np.eye(3) + (1 - strength) * grey) * balance[:, None]
    return cv2.transform(pixels, matrix).astype(np.uint8, copy=False)


def _blur(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Blur as a lens does, or along a line as movement does."""
    if random.random() < 0.6:
        return cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.4, 1.8)).astype(np.uint8, copy=False)
    length = int(random.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), random.uniform(0, 180), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length)).astype(np.float32, copy=False)
    return cv2.filter2D(pixels, -1, kernel / max(float(kernel.sum()), 1e-6)).astype(np.uint8, copy=False)


def _noise(pixels: Pixels, random: np.random.Generator) -> Pixels:
    noise = np.empty((len(pixels), pixels[0].size), np.int16)
    cv2.setRNGSeed(int(random.integers(2**31)))
    cv2.randn(noise, np.zeros(1), np.full(1, random.uniform(2, 16)))
    return cv2.add(pixels, noise.reshape(pixels.shape), dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _compress(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Lose what JPEG loses, sometimes after resolution was lost."""
    size = (pixels.shape[1], pixels.shape[0])
    if random.random() < 0.3:
        factor = random.uniform(0.5, 0.9)
        small = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    quality = int(random.integers(25, 90))
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    if (decoded.shape[1], decoded.shape[0]) != size:
        decoded = cv2.resize(decoded, size, interpolation=cv2.INTER_LINEAR)
    return decoded.astype(np.uint8, copy=False)


def _occlude(pixels: Pixels, faces: npt.NDArray[np.float32], random: np.random.Generator) -> Pixels:
    """Cover up to half of some faces from one side, with one colour or with another part of the picture."""
    pixels = pixels.copy()
    height, width = pixels.shape[:2]
    for face in faces:
        if random.random() > 0.4:
            continue
        left, top, right, bottom = (int(edge) for edge in face)
        share = random.uniform(0.2, 0.5)
        side = int(random.integers(3))
        if side == 0:
            top = bottom - int((bottom - top) * share)
        elif side == 1:
            left = right - int((right - left) * share)
        else:
            right = left + int((right - left) * share)
        rows, columns = bottom - top, right - left
        if rows < 1 or columns < 1:
            continue
        if random.random() < 0.5:
            pixels[top:bottom, left:right] = random.integers(0, 256, 3)
        else:
            from_top, from_left = int(random.integers(height - rows + 1)), int(random.integers(width - columns + 1))
            pixels[top:bottom, left:right] = pixels[from_top : from_top + rows, from_left : from_left + columns].copy()
    return pixels
