"""int8: calibration, its file, and how near it comes to float32."""

from pathlib import Path

import numpy as np
import pytest

from contracts.errors import ModelError
from detection import Picture
from detection.calibrate import calibrate
from detection.calibration import Calibration, RangeFinder
from detection.loading import read_darknet
from detection.manifest import describe_cfg
from detection.runtimes.base import DarknetModel
from detection.runtimes.registry import RUNTIMES
from tests.unit.detection import darknet_files as files


@pytest.fixture
def model(tmp_path: Path) -> DarknetModel:
    return read_darknet(describe_cfg(files.write_model(tmp_path, files.small(classes=2))), tmp_path)


def pictures(count: int) -> list[Picture]:
    random = np.random.default_rng(0)
    return [Picture.from_frame(random.integers(0, 256, (80, 90, 3), dtype=np.uint8)) for _ in range(count)]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_int8_is_near_float32(model: DarknetModel, runtime: str, tmp_path: Path) -> None:
    calibration = calibrate(model, pictures(6), "stretch", threads=1)
    file = tmp_path / "net.calibration.json"
    file.write_bytes(calibration.encode())
    quantised = read_darknet(describe_cfg(tmp_path / "net.cfg"), tmp_path)
    shape = (3, 3, model.network.height, model.network.width)
    inputs = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)

    boxes, scores = (a.copy() for a in RUNTIMES[runtime].open(quantised, "int8", 1).run(inputs))

    exact_boxes, exact_scores = RUNTIMES["onnxruntime"].open(model, "float32", 1).run(inputs)
    assert quantised.key != model.key
    assert 0 < np.abs(scores - exact_scores).mean() < 0.02
    assert np.abs(boxes - exact_boxes).mean() < 0.05


def test_calibration_returns_from_its_file(model: DarknetModel) -> None:
    calibration = calibrate(model, pictures(2), "letterbox", threads=1)

    again = Calibration.decode(calibration.encode(), model.network, model.version, "file")

    assert again.ranges.keys() == calibration.ranges.keys()
    for name, edges in again.ranges.items():
        np.testing.assert_allclose(edges, calibration.ranges[name], rtol=1e-4)


def test_files_that_do_not_fit_are_refused(model: DarknetModel) -> None:
    good = calibrate(model, pictures(1), "letterbox", threads=1)
    bad = Calibration(good.version, 1, {**good.ranges, "3": (1.0, 1.0)})

    with pytest.raises(ModelError, match="expected a calibration file, got b'nonsense'"):
        Calibration.decode(b"nonsense", model.network, model.version, "file")
    with pytest.raises(ModelError, match=f"it is for weights {model.version}, not for other; calibrate anew"):
        Calibration.decode(good.encode(), model.network, "other", "file")
    with pytest.raises(ModelError, match="no usable range for value 3"):
        Calibration.decode(bad.encode(), model.network, model.version, "file")
    with pytest.raises(ModelError, match="calibration needs pictures, got none"):
        calibrate(model, [], "letterbox", threads=1)


def test_rare_values_are_clipped() -> None:
    finder = RangeFinder(["v"])
    values = np.random.default_rng(0).normal(0, 1, 5000).astype(np.float32)
    values[7] = 60
    finder.add({"v": values})

    low, high = finder.ranges()["v"]

    assert -6 < low < 0
    assert 5 < high < 60
