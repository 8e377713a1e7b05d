"""WIDER FACE: a text of names, counts and boxes beside folders of pictures. Source: Yang et al., "WIDER FACE: A Face
Detection Benchmark", 2016, and the readme of its annotations."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.labelled import DatasetError, Labelled, to_xyxy

_ENDING = "_bbx_gt.txt"
_INVALID = 7
"""Column that is 1 where a face is not to be counted."""


def is_wider(path: Path) -> bool:
    """Whether this is such a text."""
    return path.name.endswith(_ENDING)


def read_wider(path: Path) -> Iterator[Labelled]:
    """Read `wider_face_train_bbx_gt.txt` or its like; the pictures lie in `WIDER_train/images` beside the text or
    beside its folder. Faces that are marked invalid are ignored.

    Raises:
        DatasetError: the text breaks off, or a picture is missing.
    """
    folder = _find_pictures(path)
    lines = iter(path.read_text().splitlines())
    for name in lines:
        if not name.strip():
            continue
        try:
            count = int(next(lines))
            rows = [[float(number) for number in next(lines).split()] for _ in range(max(1, count))]
            picture = (folder / name.strip()).read_bytes()
        except (StopIteration, ValueError, OSError) as error:
            raise DatasetError(f"{path}: {name}: {type(error).__name__} {error}") from error
        rows = [row for row in rows if len(row) >= 4 and row[2] > 0 and row[3] > 0]
        invalid = np.array([len(row) > _INVALID and row[_INVALID] == 1 for row in rows], bool)
        boxes = to_xyxy(rows)
        yield Labelled(name, picture, boxes[~invalid], boxes[invalid])


def _find_pictures(path: Path) -> Path:
    split = path.name.removesuffix(_ENDING).rpartition("_")[2]
    folders = [base / f"WIDER_{split}" / "images" for base in (path.parent, path.parent.parent)]
    for folder in folders:
        if folder.is_dir():
            return folder
    raise DatasetError(f"{path}: expected its pictures in {' or '.join(map(str, folders))}")
