"""YOLO texts: for each picture a .txt of the same name, beside it or in `labels/` where the pictures are in `images/`.
A line is `class centre-x centre-y width height`, all but the class as shares of the picture's sides."""

from collections.abc import Iterator
from pathlib import Path

from contracts.errors import PictureError
from detection import decode_picture
from training.labelled import DatasetError, Labelled, to_xyxy

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_MAX_PIXELS = 10**8


def is_yolo(path: Path) -> bool:
    """Whether a directory holds pictures of which at least one has its text."""
    return any(_label_of(path, picture).is_file() for picture in _pictures(path))


def read_yolo(path: Path) -> Iterator[Labelled]:
    """Read a directory of this form, in the order of the names; a picture without a text has no face. Every class
    counts as a face.

    Raises:
        DatasetError: a picture cannot be decoded, or a line of a text cannot be read.
    """
    for picture in _pictures(path):
        data = picture.read_bytes()
        label = _label_of(path, picture)
        lines = label.read_text().splitlines() if label.is_file() else []
        try:
            decoded = decode_picture(data, max_pixels=_MAX_PIXELS)
        except PictureError as error:
            raise DatasetError(f"{picture}: {error}") from error
        boxes = [
            _read_line(line, f"{label}, line {number}", decoded.width, decoded.height)
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
        yield Labelled(picture.name, data, to_xyxy(boxes), to_xyxy([]))


def _pictures(path: Path) -> list[Path]:
    folder = path / "images" if (path / "images").is_dir() else path
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _PICTURES)


def _label_of(path: Path, picture: Path) -> Path:
    folder = path / "labels" if (path / "labels").is_dir() else picture.parent
    return folder / f"{picture.stem}.txt"


def _read_line(line: str, where: str, width: int, height: int) -> list[float]:
    try:
        _, x, y, w, h = (float(number) for number in line.split())
    except ValueError as error:
        raise DatasetError(f"{where}: expected class, x, y, width, height, got {line[:60]!r}") from error
    if not (0 <= x <= 1 and 0 <= y <= 1 and 0 < w <= 1 and 0 < h <= 1):
        raise DatasetError(f"{where}: expected shares of the picture from 0 to 1, got {line[:60]!r}")
    return [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
