"""From a path to labelled pictures, whatever form they come in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.formats.shards import is_shards, read_shards
from training.formats.voc import is_voc, read_voc
from training.formats.wider import is_wider, read_wider
from training.formats.yolo import is_yolo, read_yolo
from training.labelled import DatasetError, Labelled


@dataclass(frozen=True)
class Format:
    """A form of datasets: what it looks like to people, whether a path has it, and its reader."""

    looks: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], Iterator[Labelled]]


FORMATS = {
    "shards": Format("FILE.tar with labels.jsonl, or a folder of them", is_shards, read_shards),
    "wider": Format("wider_face_…_bbx_gt.txt of WIDER FACE", is_wider, read_wider),
    "voc": Format("a folder with Annotations/ and JPEGImages/ as Pascal VOC", is_voc, read_voc),
    "yolo": Format("a folder of pictures with .txt labels as YOLO", is_yolo, read_yolo),
}


def read_dataset(path: Path) -> Iterator[Labelled]:
    """Read a dataset; its form is told by how it looks.

    Raises:
        DatasetError: it is not there, has no known form, or is damaged.
    """
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    for form in FORMATS.values():
        if form.fits(path):
            return form.read(path)
    raise DatasetError(f"{path}: expected {'; or '.join(form.looks for form in FORMATS.values())}")
