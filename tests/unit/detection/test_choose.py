"""What is made once: cached files, the choice of a runtime, and many processes at the same time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError
from detection.cache import cached_file, write_atomically
from detection.choose import Choice, _pick, choose_runtime
from detection.loading import read_darknet
from detection.manifest import describe_cfg
from tests.unit.detection import darknet_files as files


def choices(**ms: float) -> list[Choice]:
    return [Choice(name, precision, ms[name]) for name, precision in PRECISION.items() if name in ms]  # type: ignore[arg-type]


PRECISION = {"ort": "float32", "ov": "float32", "ov_bf16": "bfloat16", "ov_int8": "int8", "ort_int8": "int8"}


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        ({"ort": 20, "ov": 21}, "ort"),
        ({"ort": 21, "ov": 20}, "ov"),
        ({"ort": 20, "ov_bf16": 18}, "ort"),
        ({"ort": 20, "ov_bf16": 10, "ov_int8": 9}, "ov_bf16"),
        ({"ort": 20, "ov_bf16": 10, "ov_int8": 5, "ort_int8": 6}, "ov_int8"),
        ({"ort": 20, "ov_bf16": 30, "ov_int8": 5}, "ov_int8"),
    ],
)
def test_a_less_exact_precision_must_be_clearly_faster(ms: dict[str, float], expected: str) -> None:
    assert _pick(choices(**ms)).runtime == expected


def test_no_runtime_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no runtime works here"):
        _pick([])


def test_the_choice_is_remembered(tmp_path: Path) -> None:
    model = read_darknet(describe_cfg(files.write_model(tmp_path, files.small())), tmp_path)

    first = choose_runtime(model, ("float32", "bfloat16", "int8"), 1)
    (file,) = (tmp_path / "graphs").glob("*.choice-*.json")
    measured = json.loads(file.read_bytes())
    assert {line["runtime"] for line in measured} >= {"onnxruntime"}
    assert all(line["precision"] != "int8" for line in measured)  # it has no calibration
    file.write_text(json.dumps([{"runtime": "opencv", "precision": "float32", "ms": 1.0}]))

    assert first.runtime in ("onnxruntime", "openvino")
    assert choose_runtime(model, ("float32", "bfloat16", "int8"), 1).runtime == "opencv"


def test_a_file_is_made_once(tmp_path: Path) -> None:
    made = []

    def make() -> bytes:
        made.append(1)
        return b"content"

    for _ in range(2):
        assert cached_file(tmp_path / "deep" / "file", make).read_bytes() == b"content"
    assert len(made) == 1


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cached_file(tmp_path / "file", fail)
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "file", "text")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == [".file.lock"]


WRITE_SLOWLY = """
import sys, time
from pathlib import Path
from detection.cache import cached_file
def make():
    print("started", flush=True)
    time.sleep(60)
    return b"late"
cached_file(Path(sys.argv[1]), make)
"""


def test_a_killed_writer_leaves_no_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / "file.1234.part").write_bytes(b"half")
    with subprocess.Popen([sys.executable, "-c", WRITE_SLOWLY, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.kill()

    assert cached_file(path, lambda: b"whole").read_bytes() == b"whole"
    assert not list(tmp_path.glob("*.part"))
