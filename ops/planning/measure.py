"""What a frame takes the detector of this machine."""

import time
from dataclasses import dataclass

import cv2
import numpy as np

from detection import decode_picture, load_detector
from settings import Settings

_ROUNDS = 12
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class Measured:
    """Processor milliseconds of a picture on one core; `version` names weights and arithmetic."""

    decode_ms: float
    detect_ms: float
    version: str


def measure_detector(width: int, height: int, settings: Settings) -> Measured:
    """Decode and detect a JPEG of that size with the settings' model and runtime, on one thread.

    Processor time is counted, not the clock's, and the median is taken: other work on the machine then weighs little.

    Raises:
        ModelError: the model cannot be used.
        ConfigurationError: the runtime cannot.
    """
    detector = load_detector(settings.model, runtime=settings.runtime, threads=1, cache_dir=settings.cache_dir)
    data = generated_jpeg(width, height)
    decoding, detecting = [], []
    for _ in range(_ROUNDS):
        began = time.process_time()
        picture = decode_picture(data, max_pixels=settings.max_picture_pixels, at_least=max(detector.input_size))
        decoded = time.process_time()
        detector.detect([picture], confidence=settings.confidence_threshold, nms=settings.nms_threshold)
        decoding.append(decoded - began)
        detecting.append(time.process_time() - decoded)
    return Measured(1000 * float(np.median(decoding)), 1000 * float(np.median(detecting)), detector.version)


def generated_jpeg(width: int, height: int) -> bytes:
    """Return a JPEG of shapes at every scale, about as hard to decode as a photograph."""
    noise = np.random.default_rng(0)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64, 256):
        coarse = noise.normal(0, 64 / cells**0.5, (max(1, min(cells, height)), max(1, min(cells, width)), 3))
        picture += cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    whole = np.clip(picture + 128, 0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg.tobytes()
