"""Darknet YOLOv3 on today's runtimes: decode a picture, load a detector, find faces.

    from detection import decode_picture, load_detector

    detector = load_detector("yolov3-face-lite", cache_dir=Path("~/.cache/crowdwatch").expanduser())
    picture = decode_picture(data, max_pixels=120_000_000, at_least=max(detector.input_size))
    [found] = detector.detect([picture])

Importing this starts no threads and loads no runtime; load in the process that detects, after any fork.
"""

from detection.detector import Detector, FaceDetector
from detection.loading import load_detector
from detection.pictures import Picture, decode_picture
from detection.results import Detections
from detection.simple import detect_faces, detect_faces_from_frame
from detection.tiling import detect_tiled

__all__ = [
    "Detections",
    "Detector",
    "FaceDetector",
    "Picture",
    "decode_picture",
    "detect_faces",
    "detect_faces_from_frame",
    "detect_tiled",
    "load_detector",
]
