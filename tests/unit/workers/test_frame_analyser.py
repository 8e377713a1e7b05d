"""Frames to results: how many pictures are held at once, and who fails."""

from datetime import datetime, timezone

import cv2
import numpy as np
import pytest

from contracts.faces import Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from detection import Detections
from settings import Settings
from workers.frame_analyser import FrameAnalyser

AT = datetime(2026, 11, 23, tzinfo=timezone.utc)


class CountingDetector:
    """Finds nothing, and notes how many pictures it was given each time; a picture 13 pixels wide breaks it."""

    name, version, input_size, class_names, runtime_name = "m", "1", (32, 32), ("face",), "none"

    def __init__(self, batch):
        self.batch = batch
        self.given = []

    def detect(self, pictures, *, confidence=0.5, nms=0.5):
        self.given.append(len(pictures))
        if any(picture.width == 13 for picture in pictures):
            raise RuntimeError("unlucky")
        return [Detections.empty(picture.width, picture.height) for picture in pictures]


def _analyse(detector, pictures):
    frames = [
        Frame(SourceOffset("frames", 0, offset), "gate", offset, AT, picture, AT)
        for offset, picture in enumerate(pictures)
    ]
    return FrameAnalyser(Settings(), detector, lambda: AT).analyse(frames)


def _picture(width, height=8):
    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()


@pytest.mark.parametrize(("batch", "given"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (16, [5])])
def test_no_more_pictures_are_held_than_go_through_the_network_at_once(batch, given):
    detector = CountingDetector(batch)
    results = _analyse(detector, [_picture(8 + number) for number in range(5)])
    assert detector.given == given
    assert [(result.source.offset, result.status) for result in results] == [(n, Status.OK) for n in range(5)]
    assert [result.image.width for result in results] == [8, 9, 10, 11, 12]


def test_large_pictures_are_held_one_at_a_time():
    detector = CountingDetector(16)
    _analyse(detector, [_picture(8000, 8000), _picture(8000, 8000), _picture(8)])
    assert detector.given == [1, 1, 1]


def test_what_fails_takes_none_of_its_neighbours_with_it():
    detector = CountingDetector(4)
    results = _analyse(detector, [_picture(8), b"no picture", _picture(13), _picture(9)])
    assert [result.status for result in results] == [Status.OK, Status.FAILED, Status.FAILED, Status.OK]
    assert "unlucky" in results[2].error
    assert detector.given == [3, 1, 1, 1]
