"""Sixteen workers that start at once on an empty cache."""

import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
import sys
from pathlib import Path
import numpy as np
from detection import load_detector
detector = load_detector("yolov3-face-lite", cache_dir=Path(sys.argv[1]))
detector.detect([np.zeros((9, 9, 3), np.uint8)])
print(detector.version)
"""


@pytest.mark.slow
def test_sixteen_processes_start_at_once_and_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOAD, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(16)]  # type: ignore[call-overload]
    outputs = [process.communicate() for process in processes]

    assert [process.returncode for process in processes] == [0] * 16, outputs
    assert len({out for out, _ in outputs}) == 1, "some chose another precision"
    left = [path.name for path in (tmp_path / "graphs").iterdir()]
    assert not [name for name in left if name.endswith(".part")]
    assert len([name for name in left if ".choice-" in name and name[0] != "."]) == 1
