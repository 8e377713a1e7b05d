"""Frames to results: how many pictures are held at once, what each camera asks for, and who fails."""

from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

from contracts.errors import ModelError
from contracts.faces import Status
from contracts.frames import Frame, Origin
from contracts.offsets import SourceOffset
from detection import Detections
from settings import Settings
from workers.camera_detection import CameraDetection
from workers.frame_analyser import FrameAnalyser
from workers.loaded_models import LoadedModels

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


def _frames(pictures, cameras=("gate",)):
    return [
        Frame(SourceOffset("frames", 0, offset), cameras[offset % len(cameras)], offset, AT, picture, AT)
        for offset, picture in enumerate(pictures)
    ]


def _analyse(detector, pictures):
    models = LoadedModels(lambda _: detector, most=3)
    return FrameAnalyser(Settings(), models, lambda _: CameraDetection("m", 0.5), lambda: AT).analyse(_frames(pictures))


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


class NamedDetector:
    """Finds one object of each class in every picture, each with the same confidence."""

    version, input_size, runtime_name, batch = "1", (32, 32), "none", 4

    def __init__(self, name, class_names=("face",)):
        self.name, self.class_names = name, class_names
        self.given = []

    def detect(self, pictures, *, confidence=0.5, nms=0.5):
        self.given.append(list(confidence))
        found = []
        for picture, least in zip(pictures, confidence, strict=True):
            count = len(self.class_names) if least <= 0.7 else 0
            boxes = np.tile(np.array([[0, 0, 4, 4]], np.float32), (count, 1))
            scores, classes = np.full(count, 0.7, np.float32), np.arange(count, dtype=np.int64)
            found.append(Detections(boxes, scores, classes, picture.width, picture.height))
        return found


HOW = {
    "gate": CameraDetection("faces", 0.5),
    "strict": CameraDetection("faces", 0.9),
    "hall": CameraDetection("people", 0.25),
    "bags": CameraDetection("people", 0.25, classes=("bag", "cat")),
    "odd": CameraDetection("people", 0.25, classes=("cat",)),
    "lost": CameraDetection("absent", 0.5),
    "late": CameraDetection("faces", 0.5, max_age_ms=1000),
}
CLASSES = ("person", "bag", "head")


def _site(most=3):
    detectors = {"faces": NamedDetector("faces"), "people": NamedDetector("people", CLASSES)}
    loads = []

    def load(name):
        loads.append(name)
        if name not in detectors:
            raise ModelError(f"unknown model {name}")
        return detectors[name]

    models = LoadedModels(load, most)
    return detectors, loads, FrameAnalyser(Settings(), models, lambda camera: HOW[camera], lambda: AT)


def test_each_camera_is_detected_as_it_asks_and_named_so():
    detectors, loads, analyser = _site()
    cameras = list(HOW)
    results = analyser.analyse(_frames([_picture(8)] * len(cameras), cameras))
    by_camera = dict(zip(cameras, results, strict=True))
    assert [result.source.offset for result in results] == list(range(len(cameras)))
    assert {camera: (r.model.name, r.model.confidence_threshold) for camera, r in by_camera.items() if r.model} == {
        "gate": ("faces", 0.5),
        "strict": ("faces", 0.9),
        "hall": ("people", 0.25),
        "bags": ("people", 0.25),
        "odd": ("people", 0.25),
        "late": ("faces", 0.5),
    }
    assert [len(by_camera[camera].faces) for camera in ("gate", "strict")] == [1, 0]
    assert [face.class_name for face in by_camera["hall"].faces] == ["person", "head"]
    assert [face.class_name for face in by_camera["bags"].faces] == ["bag"]
    assert (by_camera["odd"].status, by_camera["lost"].status) == (Status.FAILED, Status.FAILED)
    assert "none of the camera's classes cat" in by_camera["odd"].error
    assert "unknown model absent" in by_camera["lost"].error
    assert detectors["faces"].given == [[0.5, 0.9, 0.5]], "one batch, whatever the thresholds"
    assert loads == ["faces", "people", "absent"]


def test_a_frame_without_an_age_limit_has_its_cameras():
    _, _, analyser = _site()
    old = AT - timedelta(seconds=5)
    own = Frame(SourceOffset("frames", 0, 1), "late", 1, old, _picture(8), AT, max_age_ms=60_000)
    none = Frame(SourceOffset("frames", 0, 2), "late", 2, old, _picture(8), AT)
    video = Frame(SourceOffset("frames", 0, 3), "late", 3, old, _picture(8), AT, origin=Origin.FILE)
    skipped = [result.status is Status.SKIPPED for result in analyser.analyse([own, none, video])]
    assert skipped == [False, True, False]


def test_many_models_in_one_task_stay_in_order_and_in_batches():
    detectors, loads, analyser = _site(most=1)
    results = analyser.analyse(_frames([_picture(8)] * 20, ("gate", "hall")))
    assert [result.model.name for result in results] == ["faces", "people"] * 10
    assert [len(given) for given in detectors["faces"].given] == [4, 4, 2]
    assert len(loads) <= 6, "a model is loaded for a batch, not for a frame"


def test_signs_of_life_are_given_while_a_model_is_loaded():
    _, _, analyser = _site()
    entered = []

    @contextmanager
    def loading():
        entered.append(1)
        yield

    analyser.analyse(_frames([_picture(8)] * 4, ("gate", "hall")), loading)
    analyser.analyse(_frames([_picture(8)] * 4, ("gate", "hall")), loading)
    assert len(entered) == 2
