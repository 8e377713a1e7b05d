"""What the tests of the analytics share."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from analytics.simulator import SimulatedFrame
from analytics.tracking import Detections, Tracker, TrackUpdate

IMAGE_SIZE = (1280, 720)
FACE = (44.0, 55.0)


def detections(*centers: tuple[float, float], confidence: float = 0.9) -> Detections:
    """Faces of the usual size at centres in pixels."""
    boxes = [[x - FACE[0] / 2, y - FACE[1] / 2, x + FACE[0] / 2, y + FACE[1] / 2] for x, y in centers]
    return Detections(np.array(boxes, np.float64).reshape(-1, 4), np.full(len(boxes), confidence))


def track(frames: Iterable[SimulatedFrame], tracker: Tracker) -> Iterator[TrackUpdate]:
    """Run a tracker over simulated frames to the end."""
    for frame in frames:
        yield tracker.update(Detections(frame.boxes_xyxy, frame.confidence), frame.at_s)
    yield tracker.flush()


@pytest.fixture
def tracker() -> Tracker:
    """A tracker with default parameters."""
    return Tracker(IMAGE_SIZE)
