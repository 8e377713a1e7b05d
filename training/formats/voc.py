"""Pascal VOC: `Annotations/NAME.xml` beside `JPEGImages/`. Every object counts as a face; difficult ones are ignored.
Source: Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", 2015."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from training.labelled import DatasetError, Labelled, to_xyxy


def is_voc(path: Path) -> bool:
    """Whether a directory has this form."""
    return (path / "Annotations").is_dir()


def read_voc(path: Path) -> Iterator[Labelled]:
    """Read a directory of this form, in the order of the names.

    Raises:
        DatasetError: an annotation cannot be read, or its picture is missing.
    """
    for file in sorted((path / "Annotations").glob("*.xml")):
        try:
            root = ElementTree.parse(file).getroot()  # noqa: S314  (the labels are the trainer's own)
            faces: list[list[float]] = []
            ignored: list[list[float]] = []
            for item in root.iter("object"):
                left, top, right, bottom = (float(item.findtext(f"bndbox/{edge}", "")) for edge in _EDGES)
                box = [left, top, right - left, bottom - top]
                (ignored if item.findtext("difficult", "0") == "1" else faces).append(box)
            picture = (path / "JPEGImages" / root.findtext("filename", f"{file.stem}.jpg")).read_bytes()
        except (ElementTree.ParseError, ValueError, OSError) as error:
            raise DatasetError(f"{file}: {type(error).__name__} {error}") from error
        yield Labelled(file.stem, picture, to_xyxy(faces), to_xyxy(ignored))


_EDGES = ("xmin", "ymin", "xmax", "ymax")
