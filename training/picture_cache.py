"""Every training picture decoded once, into one file that is mapped into memory: reading it back costs nothing, so that
a GPU is fed, and processes share it."""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from contracts.errors import PictureError
from detection import decode_picture
from detection.cache import locked, write_atomically
from training.datasets import read_dataset
from training.labelled import Boxes, DatasetError, Labelled

LONGEST_SIDE = 1024
"""Larger pictures are shrunk to this; no crop asks for more."""

_VERSION = 1
_PIXELS, _INDEX = "pixels.bin", "index.npz"
_MAX_PIXELS = 10**8
_AT_ONCE = 64
Progress = Callable[[int], None]
"""Called with the number of pictures that are done."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A decoded picture, (height, width, 3) uint8 BGR, with its boxes in pixels."""

    pixels: npt.NDArray[np.uint8]
    faces: Boxes
    ignored: Boxes


class PictureCache:
    """The decoded pictures of some datasets, in their order.

    Args:
        directory: that `open_cache` has filled.
    """

    def __init__(self, directory: Path) -> None:
        with np.load(directory / _INDEX) as index:
            self._shapes = index["shapes"]
            self._faces, self._face_ends = index["faces"], _ends(index["face_counts"])
            self._ignored, self._ignored_ends = index["ignored"], _ends(index["ignored_counts"])
        self._starts = _ends(3 * self._shapes.prod(axis=1))
        self._pixels = np.memmap(directory / _PIXELS, np.uint8, mode="r")

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> Sample:
        height, width = self._shapes[index]
        return Sample(
            self._pixels[self._starts[index] : self._starts[index + 1]].reshape(height, width, 3),
            self._faces[self._face_ends[index] : self._face_ends[index + 1]],
            self._ignored[self._ignored_ends[index] : self._ignored_ends[index + 1]],
        )


def open_cache(datasets: Sequence[Path], directory: Path, progress: Progress) -> PictureCache:
    """Open the cache of these datasets under a directory; the first time, or when a file has changed, fill it.

    Raises:
        DatasetError: a dataset cannot be read, or there is no picture.
    """
    target = directory / _key(datasets)
    with locked(target):
        if not (target / _INDEX).exists():
            target.mkdir(parents=True, exist_ok=True)
            _fill(target, chain.from_iterable(map(read_dataset, datasets)), progress)
    return PictureCache(target)


def decode_sample(labelled: Labelled) -> Sample:
    """Decode a picture and shrink it to `LONGEST_SIDE`, its boxes with it.

    Raises:
        DatasetError: it cannot be decoded.
    """
    try:
        pixels = decode_picture(labelled.data, max_pixels=_MAX_PIXELS).pixels
    except PictureError as error:
        raise DatasetError(f"{labelled.name}: {error}") from error
    scale = min(1.0, LONGEST_SIDE / max(pixels.shape[:2]))
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return Sample(pixels, labelled.faces * np.float32(scale), labelled.ignored * np.float32(scale))


def _fill(directory: Path, pictures: Iterable[Labelled], progress: Progress) -> None:
    samples: list[tuple[tuple[int, int], Boxes, Boxes]] = []
    with open(directory / _PIXELS, "wb") as file, ThreadPoolExecutor() as pool:
        source = iter(pictures)
        while some := list(islice(source, _AT_ONCE)):
            for sample in pool.map(decode_sample, some):
                file.write(sample.pixels.tobytes())
                samples.append((sample.pixels.shape[:2], sample.faces, sample.ignored))
            progress(len(samples))
    if not samples:
        raise DatasetError("expected training pictures, found none")
    shapes, faces, ignored = zip(*samples, strict=True)
    content = io.BytesIO()
    np.savez(
        content,
        shapes=np.array(shapes, np.int64),
        faces=np.concatenate(faces),
        face_counts=np.array([len(boxes) for boxes in faces]),
        ignored=np.concatenate(ignored),
        ignored_counts=np.array([len(boxes) for boxes in ignored]),
    )
    write_atomically(directory / _INDEX, content.getvalue())  # last: with it the cache is complete


def _key(datasets: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{_VERSION} {LONGEST_SIDE}".encode())
    for dataset in datasets:
        for file in sorted(dataset.rglob("*")) if dataset.is_dir() else [dataset]:
            if file.is_file():
                state = file.stat()
                digest.update(f"{file.resolve()} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _ends(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
