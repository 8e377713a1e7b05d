"""`crowdwatch detect` and `crowdwatch models`."""

import json
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner
from skimage.data import astronaut

from ops.commands import detect, models
from tests.unit.detection import darknet_files as files

PORTRAIT = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDWATCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CROWDWATCH_RUNTIME", "onnxruntime")


@pytest.fixture
def portrait(tmp_path: Path) -> str:
    file = tmp_path / "portrait.jpg"
    cv2.imwrite(str(file), PORTRAIT)
    return str(file)


def test_one_line_of_json_a_picture_in_order(portrait: str, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    absent = str(tmp_path / "absent.jpg")

    done = CliRunner().invoke(
        detect.command, ["--json", "--annotate", str(tmp_path / "out"), portrait, str(text), absent, portrait]
    )

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [line["path"] for line in lines] == [portrait, str(text), absent, portrait]
    assert [line["status"] for line in lines] == ["ok", "failed", "failed", "ok"]
    assert [line["total_faces"] for line in lines] == [1, 0, 0, 1]
    assert lines[0]["image"] == {"width": 512, "height": 512}
    assert lines[0]["model"]["name"] == "yolov3-face-lite"
    assert "source" not in lines[0]
    assert lines[1]["error"].startswith("no picture: expected JPEG, PNG, WebP or BMP")
    assert lines[2]["error"] == "cannot be read: No such file or directory"
    drawn = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in drawn] == ["portrait.jpg-3.png", "portrait.jpg.png"]
    assert (cv2.imread(str(drawn[1])) == (0, 255, 0)).all(axis=-1).sum() > 300


def test_text_for_people(portrait: str) -> None:
    done = CliRunner().invoke(detect.command, [portrait, "--tile", "--confidence", "0.6"])

    assert done.exit_code == 0
    assert f"{portrait}: 1 face," in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--no-such-option"], ["x.jpg", "--confidence", "2"]])
def test_wrong_use_exits_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(detect.command, arguments).exit_code == 2


def test_models_are_listed_verified_imported_calibrated_and_compared(portrait: str, tmp_path: Path) -> None:
    runner = CliRunner()
    cfg = files.write_model(tmp_path, files.small(), "mine")

    calibrated = runner.invoke(models.command, ["calibrate", str(cfg), portrait])
    imported = runner.invoke(models.command, ["import", str(cfg)])
    listed = runner.invoke(models.command, ["list"])
    verified = runner.invoke(models.command, ["verify"])
    compared = runner.invoke(
        models.command, ["compare", portrait, "--model", "mine", "--plot", str(tmp_path / "plot.png")]
    )

    assert "measured on 1 pictures" in calibrated.output
    assert imported.output == "imported mine (darknet)\n"
    assert "yolov3-face-lite" in listed.output and "weights absent" in listed.output
    assert verified.exit_code == 0 and "mine: calibration mine.calibration.json: ok" in verified.output
    assert "yolov3-face: not fetched" in verified.output
    assert compared.exit_code == 0 and "mine" in compared.output
    assert cv2.imread(str(tmp_path / "plot.png")) is not None

    (tmp_path / "cache" / "models" / "mine.weights").write_bytes(b"damaged")
    assert runner.invoke(models.command, ["verify", "mine"]).exit_code == 1
