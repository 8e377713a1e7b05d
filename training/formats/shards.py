"""Tar archives of pictures with `labels.jsonl`, one JSON object a line: `file`, `faces` as [x, y, width, height, …] and
`ignore` as [x, y, width, height], in pixels of the picture."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from training.labelled import DatasetError, Labelled, to_xyxy


def is_shards(path: Path) -> bool:
    """Whether this is such an archive, or a directory of them."""
    return path.suffix == ".tar" or (path.is_dir() and any(path.glob("*.tar")))


def read_shards(path: Path) -> Iterator[Labelled]:
    """Read the pictures of an archive, or of every archive of a directory, in the order of the labels.

    Raises:
        DatasetError: the archive has no labels, or lacks a picture.
    """
    for archive in sorted(path.glob("*.tar")) if path.is_dir() else [path]:
        yield from _read_archive(archive)


def _read_archive(archive: Path) -> Iterator[Labelled]:
    with tarfile.open(archive) as tar:
        members = {member.name.removeprefix("./"): member for member in tar.getmembers()}
        for line in _read(tar, members, "labels.jsonl", archive).decode().splitlines():
            fields = json.loads(line)
            name = fields["file"] if fields["file"] in members else f"images/{fields['file']}"
            yield Labelled(
                f"{archive.name}:{name}",
                _read(tar, members, name, archive),
                to_xyxy(fields["faces"]),
                to_xyxy(fields.get("ignore", [])),
            )


def _read(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str, archive: Path) -> bytes:
    file = tar.extractfile(members[name]) if name in members else None
    if file is None:
        raise DatasetError(f"{archive}: no {name} in it")
    return file.read()
