"""The two functions of the system that Crowdwatch replaces, with the results they had."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from contracts.errors import PictureError
from contracts.faces import Face
from detection.detector import Detector
from detection.loading import load_detector
from detection.pictures import Picture, Pixels, decode_picture
from settings.model import Settings


def detect_faces(path: str | Path, confidence_threshold: float = 0.5) -> dict[str, Any]:
    """Find faces in a picture file, with the model, runtime and limits of the settings.

    Returns:
        `frame_id` (0), `total_faces` and `faces`: `face_id`, `bounding_box` (x, y, width, height in pixels),
        `confidence`.

    Raises:
        PictureError: the file cannot be read or is no usable picture.
    """
    detector, settings = _detector()
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror}") from error
    picture = decode_picture(data, max_pixels=settings.max_picture_pixels, at_least=max(detector.input_size))
    return _result(picture, 0, confidence_threshold)


def detect_faces_from_frame(frame: Pixels, frame_id: int, confidence_threshold: float = 0.5) -> dict[str, Any]:
    """Find faces in a frame of shape (height, width, 3) uint8 BGR, as OpenCV's VideoCapture gives it.

    Returns:
        As `detect_faces`, with this `frame_id`.

    Raises:
        PictureError: the frame is not of that shape.
    """
    return _result(Picture.from_frame(frame), frame_id, confidence_threshold)


def _result(picture: Picture, frame_id: int, confidence: float) -> dict[str, Any]:
    detector, settings = _detector()
    (found,) = detector.detect([picture], confidence=confidence, nms=settings.nms_threshold)
    faces = found.to_faces(detector.class_names)
    return {"frame_id": frame_id, "total_faces": len(faces), "faces": [_to_dict(face) for face in faces]}


def _to_dict(face: Face) -> dict[str, Any]:
    box = face.bounding_box
    return {
        "face_id": face.face_id,
        "bounding_box": {"x": box.x, "y": box.y, "width": box.width, "height": box.height},
        "confidence": face.confidence,
    }


@lru_cache(maxsize=1)
def _load(process: int) -> tuple[Detector, Settings]:
    settings = Settings.from_environment()
    detector = load_detector(
        settings.model, runtime=settings.runtime, threads=settings.detect_threads, cache_dir=settings.cache_dir
    )
    return detector, settings


def _detector() -> tuple[Detector, Settings]:
    return _load(os.getpid())  # a forked child must not use its parent's runtime
