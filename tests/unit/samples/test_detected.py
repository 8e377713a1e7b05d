"""The shipped detector finds the people of the sample: what the demonstration shows is worth looking at."""

import json
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from detection.loading import load_detector
from samples import CLIP, TRUTH

EVERY = 20  # frames


def test_the_shipped_detector_finds_the_faces_and_little_else(tmp_path: Path) -> None:
    detector = load_detector("yolov3-face-lite", runtime="onnxruntime:float32", cache_dir=tmp_path)
    truth = json.loads(TRUTH.read_text())["frames"]
    visible = found = right = reported = 0
    with av.open(str(CLIP)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % EVERY:
                continue
            faces = truth[number]["faces"]
            true_xyxy = np.array([[f["x"], f["y"], f["x"] + f["width"], f["y"] + f["height"]] for f in faces], float)
            (detections,) = detector.detect([frame.to_ndarray(format="bgr24")], confidence=0.5)
            overlaps = iou(true_xyxy, detections.boxes_xyxy) >= 0.4
            seen = np.array([face["visible"] > 0.5 for face in faces])
            visible += int(seen.sum())
            found += int(overlaps.any(axis=1)[seen].sum())
            reported += overlaps.shape[1]
            right += int(overlaps.any(axis=0).sum())
    assert visible > 60
    assert found / visible >= 0.85
    assert right / reported >= 0.9, "at the threshold where counts err least, about one find in fourteen is none"


def iou(one_xyxy: npt.NDArray[np.floating], other_xyxy: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the overlap of each box of one list with each of the other."""
    one, other = one_xyxy[:, None], other_xyxy[None]
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    areas = (one[..., 2:] - one[..., :2]).prod(axis=-1) + (other[..., 2:] - other[..., :2]).prod(axis=-1)
    return common / (areas - common)
