"""Mutated pictures, cfg and weights files: a clear error or a result, within 2 GiB, in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = """
import random, resource, sys, time
from pathlib import Path
import cv2
import numpy as np
import onnxruntime  # its libraries take address space: load them before the limit counts
from contracts.errors import ModelError, PictureError
from detection import decode_picture, load_detector
from tests.unit.detection import darknet_files as files

kind, count = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
random.seed(kind)
home = Path(sys.argv[3])
results = errors = 0

def mutate(data):
    data = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(data))
        way = random.randrange(5)
        if way == 0:
            data[at] = random.randrange(256)
        elif way == 1:
            del data[at:at + random.randint(1, max(1, len(data) // 4))]
        elif way == 2:
            data[at:at] = random.randbytes(random.randint(1, 9))
        elif way == 3:
            data[at:at + 4] = random.choice([bytes(4), b"\\xff" * 4, b"\\x7f\\xff\\xff\\xff"])
        else:
            other = random.randrange(len(data))
            data[at:at + 9] = data[other:other + 9]
        if not data:
            data = bytearray(b"x")
    return bytes(data)

def mutate_text(text):
    lines = text.splitlines()
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(lines))
        way = random.randrange(5)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines.insert(at, lines[random.randrange(len(lines))])
        elif way == 2 and "=" in lines[at]:
            value = random.choice(["0", "-1", "1", "7", "999", "65536", "1e9", "nan", "99999999999", "x", "", "4096"])
            lines[at] = lines[at].split("=")[0] + "=" + value
        elif way == 3:
            lines[at] = mutate(lines[at].encode() or b"#").decode("latin-1")
        else:
            lines[at] = random.choice(["[route]", "[shortcut]", "[yolo]", "[upsample]", "[maxpool]", "[net]", "[lstm]"])
        if not lines:
            lines = ["#"]
    return "\\n".join(lines)

slowest = 0.0
if kind == "pictures":
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 4), np.uint8)
    smooth = cv2.resize(noise, (300, 200))
    seeds = [cv2.imencode(e, smooth[:, :, :3], o)[1].tobytes() for e, o in (
        (".jpg", []), (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]), (".png", []), (".webp", []), (".bmp", []))]
    seeds += [cv2.imencode(e, smooth)[1].tobytes() for e in (".png", ".webp", ".bmp")]
    seeds += [cv2.imencode(".png", noise.astype(np.uint16) * 257)[1].tobytes()]
    detector = load_detector(str(files.write_model(home, files.small())), runtime="onnxruntime", cache_dir=home)
    for index in range(count):
        start = time.perf_counter()
        try:
            picture = decode_picture(mutate(seeds[index % len(seeds)]), max_pixels=4_000_000, at_least=64)
            detector.detect([picture])
            results += 1
        except PictureError as error:
            assert str(error)
            errors += 1
        slowest = max(slowest, time.perf_counter() - start)
else:
    for index in range(count):
        cfg = files.small()
        weights = files.random_weights(cfg)
        if kind == "cfgs":
            cfg = mutate_text(cfg)
            if index % 2:  # with weights that fit, so that the graph is built and run
                try:
                    weights = files.random_weights(cfg)
                except (ModelError, MemoryError):
                    pass
        elif index % 2:
            data = bytearray(weights)
            for _ in range(50):
                data[random.randrange(20, len(data))] = random.randrange(256)
            weights = bytes(data)
        else:
            weights = mutate(weights)
        (home / "net.cfg").write_text(cfg)
        (home / "net.weights").write_bytes(weights)
        start = time.perf_counter()
        try:
            detector = load_detector(str(home / "net.cfg"), runtime="onnxruntime", cache_dir=home)
            detector.detect([np.full((50, 40, 3), 99, np.uint8)])
            results += 1
        except ModelError as error:
            assert str(error)
            errors += 1
        slowest = max(slowest, time.perf_counter() - start)
        for file in (home / "graphs").glob("net-*"):
            file.unlink()
print(results, errors, round(slowest, 2))
assert results > count // 20 and errors > count // 20
assert slowest < 20
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("pictures", 2000), ("cfgs", 500), ("weights", 200)])
def test_mutations_give_an_error_or_a_result(kind: str, count: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FUZZ, kind, str(count), str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=280)

    assert done.returncode == 0, f"{done.returncode} {done.stdout[-500:]} {done.stderr[-3000:]}"
