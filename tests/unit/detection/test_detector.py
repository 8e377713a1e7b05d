"""The whole detector: the shipped model on a public-domain portrait, and its edges."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from contracts.errors import ConfigurationError, ModelError, PictureError
from detection import Detector, decode_picture, detect_faces, detect_faces_from_frame, detect_tiled, load_detector
from detection.tiling import tile_edges
from tests.unit.detection import darknet_files as files

PORTRAIT = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
FACE = (175, 65, 275, 210)
"""Left, top, right, bottom of the face, by eye."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def detector(cache: Path) -> Detector:
    return load_detector("yolov3-face-lite", runtime="onnxruntime", cache_dir=cache)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    area = sides.prod()
    return float(area / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - area))


@pytest.mark.parametrize(
    "runtime", ["onnxruntime", "onnxruntime:int8", "openvino", "openvino:bfloat16", "openvino:int8", "opencv", "auto"]
)
def test_every_runtime_finds_the_face(runtime: str, cache: Path) -> None:
    detector = load_detector("yolov3-face-lite", runtime=runtime, cache_dir=cache)

    (found,) = detector.detect([PORTRAIT])

    assert len(found) == 1
    assert overlap(found.boxes_xyxy[0], np.array(FACE)) > 0.6
    assert (detector.name, detector.input_size, detector.class_names) == ("yolov3-face-lite", (512, 512), ("face",))
    assert detector.version.startswith("d42d7a6c7e80")
    assert detector.version.endswith(runtime.partition(":")[2] or detector.version[-4:])


def test_pictures_of_different_sizes_in_one_call(detector: Detector) -> None:
    wide = cv2.copyMakeBorder(PORTRAIT, 0, 0, 300, 0, cv2.BORDER_CONSTANT)
    dot = np.zeros((1, 1, 3), np.uint8)

    first, moved, nothing = detector.detect([PORTRAIT, wide, dot])

    assert len(nothing) == 0
    assert (nothing.width, nothing.height) == (1, 1)
    assert overlap(first.boxes_xyxy[0] + [300, 0, 300, 0], moved.boxes_xyxy[0]) > 0.8
    assert detector.detect([]) == []


def test_boxes_are_those_of_the_picture_as_sent(detector: Detector) -> None:
    large = cv2.resize(PORTRAIT, None, fx=4, fy=4)
    data = cv2.imencode(".jpg", large)[1].tobytes()
    picture = decode_picture(data, max_pixels=10**8, at_least=max(detector.input_size))
    assert picture.pixels.shape[0] == 512

    (found,) = detector.detect([picture])

    assert overlap(found.boxes_xyxy[0], 4 * np.array(FACE)) > 0.6


def test_each_picture_of_a_batch_has_its_own_confidence(detector: Detector) -> None:
    asked = [0.001, 0.5, 0.3, 0.999]
    together = detector.detect([PORTRAIT] * 4, confidence=asked)
    alone = [detector.detect([PORTRAIT], confidence=one)[0] for one in asked]
    assert [len(one) for one in together] == [len(one) for one in alone]
    assert len(together[0]) > len(together[1]) > len(together[3]) == 0
    for one, same in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.boxes_xyxy, same.boxes_xyxy, atol=0.1)
    with pytest.raises(ValueError, match="a confidence for each of 2 pictures, got 1"):
        detector.detect([PORTRAIT] * 2, confidence=[0.5])
    with pytest.raises(ValueError, match="expected 0 < confidence"):
        detector.detect([PORTRAIT] * 2, confidence=[0.5, 0.0])


def test_confidence_and_nms_decide_what_is_reported(detector: Detector) -> None:
    (few,) = detector.detect([PORTRAIT])
    (many,) = detector.detect([PORTRAIT], confidence=0.001)
    (all_,) = detector.detect([PORTRAIT], confidence=0.001, nms=1.0)

    assert len(few) < len(many) < len(all_)
    assert (np.diff(all_.confidence) <= 0).all()


@pytest.mark.parametrize(("confidence", "nms"), [(0.0, 0.4), (1.1, 0.4), (0.5, -0.1), (0.5, 1.1)])
def test_thresholds_out_of_range(detector: Detector, confidence: float, nms: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < confidence <= 1 and 0 <= nms <= 1"):
        detector.detect([PORTRAIT], confidence=confidence, nms=nms)


def test_tiles_find_what_is_too_small_for_the_whole(detector: Detector) -> None:
    scene = np.full((900, 1500, 3), 90, np.uint8)
    small = cv2.resize(PORTRAIT, (80, 80), interpolation=cv2.INTER_AREA)
    places = [(60, 40), (700, 420), (1380, 780)]
    for x, y in places:
        scene[y : y + 80, x : x + 80] = small

    (whole,) = detector.detect([scene], confidence=0.6)
    (tiled,) = detect_tiled(detector, [scene], confidence=0.6)

    assert len(whole) < len(tiled) == len(places)
    for x, y in places:
        face = np.array(FACE) * 80 / 512 + [x, y, x, y]
        assert max(overlap(box, face) for box in tiled.boxes_xyxy) > 0.5


def test_a_small_picture_needs_no_tiles(detector: Detector) -> None:
    frame = PORTRAIT[:510, :500]

    (tiled,), (whole,) = detect_tiled(detector, [frame]), detector.detect([frame])

    np.testing.assert_array_equal(tiled.boxes_xyxy, whole.boxes_xyxy)


@pytest.mark.parametrize("size", [(417, 100), (1280, 720), (5000, 417), (416 * 3, 416 * 3)])
def test_tiles_cover_the_picture_and_overlap(size: tuple[int, int]) -> None:
    seen = np.zeros(size[::-1], bool)
    for left, top, right, bottom in tile_edges(*size, (416, 416)):
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
        seen[top:bottom, left:right] = True
    assert seen.all()


def test_errors_name_what_is_known(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unknown model 'nothing'; known: yolov3-face, yolov3-face-lite, or a path"):
        load_detector("nothing", cache_dir=cache)
    with pytest.raises(ModelError, match=r"absent\.cfg: No such file"):
        load_detector(str(tmp_path / "absent.cfg"), cache_dir=cache)
    with pytest.raises(ConfigurationError, match="unknown runtime 'abacus'; known: auto, onnxruntime, openvino"):
        load_detector("yolov3-face-lite", runtime="abacus", cache_dir=cache)
    with pytest.raises(ConfigurationError, match="unknown precision 'int4'; known: float32"):
        load_detector("yolov3-face-lite", runtime="openvino:int4", cache_dir=cache)
    with pytest.raises(ConfigurationError, match="opencv offers float32, not int8"):
        load_detector("yolov3-face-lite", runtime="opencv:int8", cache_dir=cache)
    net = files.write_model(tmp_path, files.small())
    with pytest.raises(ConfigurationError, match=r"int8 needs net\.calibration\.json beside the weights"):
        load_detector(str(net), runtime="openvino:int8", cache_dir=cache)


def test_a_cfg_with_several_classes_names_them(tmp_path: Path) -> None:
    net = files.write_model(tmp_path, files.small(classes=3))
    assert load_detector(str(net), runtime="onnxruntime", cache_dir=tmp_path).class_names == (
        "class_0",
        "class_1",
        "class_2",
    )
    net.with_suffix(".names").write_text("head\nbody\nhat\n")
    detector = load_detector(str(net), runtime="onnxruntime", cache_dir=tmp_path)

    (found,) = detector.detect([PORTRAIT], confidence=0.01)

    assert {face.class_name for face in found.to_faces(detector.class_names)} <= {"head", "body", "hat"}


def test_the_two_functions_of_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDWATCH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CROWDWATCH_RUNTIME", "onnxruntime")
    file = tmp_path / "portrait.png"
    cv2.imwrite(str(file), PORTRAIT)

    result = detect_faces(file)
    frame = detect_faces_from_frame(PORTRAIT, 7, confidence_threshold=0.99)

    assert (result["frame_id"], result["total_faces"]) == (0, 1)
    assert result["faces"][0]["face_id"] == 0
    assert set(result["faces"][0]["bounding_box"]) == {"x", "y", "width", "height"}
    assert frame == {"frame_id": 7, "total_faces": 0, "faces": []}
    with pytest.raises(PictureError, match="No such file"):
        detect_faces(tmp_path / "absent.jpg")


def test_importing_starts_no_thread_and_loads_no_runtime() -> None:
    program = (
        "import psutil, sys, numpy, cv2; before = psutil.Process().num_threads();"  # BLAS has its own
        "import detection; print(psutil.Process().num_threads() - before,"
        "[name for name in ('onnx', 'onnxruntime', 'openvino', 'torch') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "0 []"
