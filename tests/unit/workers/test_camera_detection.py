"""How a camera's frames are detected follows its document, and outlasts MongoDB."""

import threading
import time

import pytest

from contracts.cameras import Camera
from contracts.errors import ModelError, UnavailableError
from settings import Settings
from storage.cameras import CameraChanges
from workers import camera_detection
from workers.camera_detection import CameraDetection, CameraDetections

SETTINGS = Settings(model="yolov3-face-lite", confidence_threshold=0.4)


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        (None, CameraDetection("yolov3-face-lite", 0.4)),
        (Camera("a"), CameraDetection("yolov3-face-lite", 0.4)),
        (Camera("a", model="heads", confidence_threshold=0.7), CameraDetection("heads", 0.7)),
        (Camera("a", confidence_threshold=0.0), CameraDetection("yolov3-face-lite", 0.01)),
        (Camera("a", classes=("head",), max_age_ms=5), CameraDetection("yolov3-face-lite", 0.4, ("head",), 5)),
    ],
)
def test_what_a_document_leaves_open_is_the_settings(camera, expected):
    assert CameraDetection.of(camera, SETTINGS) == expected


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        (("gnome",), None, None),
        (("person", "bag", "head"), None, {0, 2}),
        (("class_0", "class_1"), None, None),
        (("person", "bag", "head"), ("bag", "other"), {1}),
        (("face",), ("face",), None),
    ],
)
def test_people_count_unless_a_camera_names_classes(names, classes, expected):
    assert CameraDetection("m", 0.5, classes).class_ids(names) == expected


def test_classes_that_a_model_does_not_have_are_an_error():
    with pytest.raises(ModelError, match="none of the camera's classes head, but face"):
        CameraDetection("m", 0.5, ("head",)).class_ids(("face",))


class Looks:
    """Answers each look with the next of what it is given; waits at the end."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.done = threading.Event()

    def __call__(self):
        if not self.answers:
            self.done.set()
            return CameraChanges({}, frozenset())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def followed(monkeypatch):
    monkeypatch.setattr(camera_detection, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(camera_detection, "_FIRST_LOOK_WITHIN_S", 0.3)
    made = []

    def follow(looks):
        made.append(CameraDetections(SETTINGS, looks))
        made[0].start()
        return made[0]

    yield follow
    made[0].close()
    made[0]._thread.join(5)
    assert not made[0]._thread.is_alive()


def test_changes_are_taken_and_outages_change_nothing(followed):
    looks = Looks(
        CameraChanges({"a": Camera("a", model="x"), "b": Camera("b", model="y")}, frozenset()),
        UnavailableError("MongoDB is away"),
        RuntimeError("unexpected"),
        CameraChanges({"a": Camera("a", model="z")}, frozenset({"b"})),
    )
    cameras = followed(looks)
    assert looks.done.wait(5)
    assert [cameras.of(name).model for name in "abc"] == ["z", "yolov3-face-lite", "yolov3-face-lite"]


def test_the_first_look_is_waited_for_but_not_long(followed):
    release = threading.Event()

    def slow():
        release.wait(5)
        return CameraChanges({"a": Camera("a", model="x")}, frozenset())

    started = time.monotonic()
    cameras = followed(slow)
    assert time.monotonic() - started < 3
    assert cameras.of("a").model == "yolov3-face-lite"
    release.set()
    deadline = time.monotonic() + 5
    while cameras.of("a").model != "x":
        assert time.monotonic() < deadline
        time.sleep(0.01)
