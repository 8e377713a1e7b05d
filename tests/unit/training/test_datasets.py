"""Reading labelled pictures in every form they come in."""

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.datasets import read_dataset
from training.labelled import DatasetError, Labelled
from training.picture_cache import open_cache

PIXELS = np.full((60, 80, 3), 120, np.uint8)
DATA = cv2.imencode(".png", PIXELS)[1].tobytes()


def shards(folder: Path) -> Path:
    labels = {"file": "a.png", "faces": [[10, 20, 30, 24, "human"]], "ignore": [[0, 0, 8, 9]]}
    with tarfile.open(folder / "some.tar", "w") as tar:
        for name, data in (("labels.jsonl", json.dumps(labels).encode()), ("images/a.png", DATA)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return folder / "some.tar"


def wider(folder: Path) -> Path:
    pictures = folder / "WIDER_train/images/0--Parade"
    pictures.mkdir(parents=True)
    (pictures / "a.png").write_bytes(DATA)
    text = folder / "wider_face_train_bbx_gt.txt"
    text.write_text("0--Parade/a.png\n2\n10 20 30 24 0 0 0 0 0 0\n0 0 8 9 2 0 0 1 0 0\n")
    return text


def voc(folder: Path) -> Path:
    (folder / "Annotations").mkdir()
    (folder / "JPEGImages").mkdir()
    (folder / "JPEGImages/a.png").write_bytes(DATA)
    box = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
    (folder / "Annotations/a.xml").write_text(
        f"<annotation><filename>a.png</filename><object><name>face</name>{box.format(10, 20, 40, 44)}</object>"
        f"<object><difficult>1</difficult>{box.format(0, 0, 8, 9)}</object></annotation>"
    )
    return folder


def yolo(folder: Path) -> Path:
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    (folder / "images/a.png").write_bytes(DATA)
    (folder / "labels/a.txt").write_text(f"0 {25 / 80} {32 / 60} {30 / 80} {24 / 60}\n")
    return folder


@pytest.mark.parametrize("write", [shards, wider, voc, yolo])
def test_every_form_gives_the_same_boxes(write, tmp_path: Path) -> None:
    (labelled,) = read_dataset(write(tmp_path))

    assert labelled.data == DATA
    np.testing.assert_allclose(labelled.faces, [[10, 20, 40, 44]], rtol=1e-6)
    if write is not yolo:  # it has no word for what is to be ignored
        np.testing.assert_array_equal(labelled.ignored, [[0, 0, 8, 9]])


def test_what_is_no_dataset_is_told_what_would_be(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        read_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"expected FILE\.tar with labels\.jsonl.*; or a folder of pictures"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.1", r"a\.txt, line 1: expected class, x, y, width, height, got '0 0.5 0.5 0.1'"),
        ("0 0.5 0.5 30 24", r"a\.txt, line 1: expected shares of the picture from 0 to 1"),
    ],
)
def test_a_wrong_label_is_named(line: str, reason: str, tmp_path: Path) -> None:
    (yolo(tmp_path) / "labels/a.txt").write_text(line)

    with pytest.raises(DatasetError, match=reason):
        list(read_dataset(tmp_path))


def test_a_text_that_breaks_off(tmp_path: Path) -> None:
    text = wider(tmp_path)
    text.write_text("0--Parade/a.png\n3\n10 20 30 24 0 0 0 0 0 0\n")

    with pytest.raises(DatasetError, match=r"wider_face_train_bbx_gt\.txt: 0--Parade/a\.png"):
        list(read_dataset(text))


def test_boxes_have_four_edges() -> None:
    with pytest.raises(ValueError, match=r"faces: expected boxes \(n, 4\), got \(1, 3\)"):
        Labelled("a", DATA, np.zeros((1, 3), np.float32), np.zeros((0, 4), np.float32))


def test_pictures_are_decoded_once_and_large_ones_shrunk(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "data") if (tmp_path / "data").mkdir() is None else tmp_path
    large = cv2.resize(PIXELS, (2048, 1024))
    cv2.imwrite(str(folder / "images/b.png"), large)
    (folder / "labels/b.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    seen: list[int] = []

    first = open_cache([folder], tmp_path / "cache", seen.append)
    again = open_cache([folder], tmp_path / "cache", seen.append)

    assert seen == [2]
    assert len(again) == 2
    np.testing.assert_array_equal(first[0].pixels, PIXELS)
    assert again[1].pixels.shape == (512, 1024, 3)
    np.testing.assert_allclose(again[1].faces, [[384, 192, 640, 320]])


def test_no_picture_at_all(tmp_path: Path) -> None:
    (yolo(tmp_path) / "images/a.png").unlink()
    (tmp_path / "Annotations").mkdir()

    with pytest.raises(DatasetError, match="expected training pictures, found none"):
        open_cache([tmp_path], tmp_path / "cache", lambda _: None)
