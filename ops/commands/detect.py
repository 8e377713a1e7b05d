"""`crowdwatch detect`: find faces in picture files."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from contracts.faces import FacesRecord
    from detection import Detector, Picture

_PROGRESS_FROM = 4
"""Pictures from which a progress bar is worth its place."""


@dataclass(frozen=True)
class _Options:
    confidence: float
    nms: float
    max_pixels: int
    tile: bool
    annotate: Path | None


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON a picture, in order.")
@click.option("--model", help="A model's name (`crowdwatch models list`) or FILE.cfg with FILE.weights beside it.")
@click.option("--runtime", help="auto, or a runtime's name, either with :PRECISION if you like (openvino:bfloat16).")
@click.option("--confidence", type=click.FloatRange(0, 1, min_open=True), help="Least confidence of a face.")
@click.option("--nms", type=click.FloatRange(0, 1), help="Overlap (IoU) above which the weaker of two boxes goes.")
@click.option("--tile", is_flag=True, help="Look at overlapping tiles too: finds small faces in large pictures.")
@click.option("--annotate", type=click.Path(file_okay=False, path_type=Path), help="Write pictures with boxes there.")
def command(
    pictures: tuple[Path, ...],
    as_json: bool,
    model: str | None,
    runtime: str | None,
    confidence: float | None,
    nms: float | None,
    tile: bool,
    annotate: Path | None,
) -> None:
    """Find faces in PICTURES (JPEG, PNG, WebP, BMP). Exits 1 if any of them failed."""
    from detection import load_detector
    from settings.model import Settings

    settings = Settings.from_environment()
    options = _Options(
        confidence=settings.confidence_threshold if confidence is None else confidence,
        nms=settings.nms_threshold if nms is None else nms,
        max_pixels=settings.max_picture_pixels,
        tile=tile,
        annotate=annotate,
    )
    detector = load_detector(
        model or settings.model,
        runtime=runtime or settings.runtime,
        threads=os.cpu_count() or 1,
        cache_dir=settings.cache_dir,
    )
    if annotate is not None:
        annotate.mkdir(parents=True, exist_ok=True)
    failures = 0
    with _progress(pictures) as advance:
        for index, path in enumerate(pictures):
            record = _detect(path, index, detector, options)
            failures += record.error is not None
            fields = record.to_dict()
            del fields["source"]
            click.echo(json.dumps({"path": str(path), **fields}) if as_json else _describe(path, fields))
            advance()
    sys.exit(1 if failures else 0)


def _detect(path: Path, index: int, detector: "Detector", options: _Options) -> "FacesRecord":
    from contracts.errors import PictureError
    from contracts.faces import FacesRecord, ImageSize, ModelInfo, Status
    from contracts.offsets import SourceOffset
    from detection import decode_picture, detect_tiled

    now = datetime.now(timezone.utc)
    source, model = SourceOffset("files", 0, index), ModelInfo(detector.name, detector.version, options.confidence)
    try:
        captured_at = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        whole = options.tile or options.annotate is not None
        at_least = None if whole else max(detector.input_size)
        picture = decode_picture(path.read_bytes(), max_pixels=options.max_pixels, at_least=at_least)
        start = time.perf_counter()
        if options.tile:
            (found,) = detect_tiled(detector, [picture], confidence=options.confidence, nms=options.nms)
        else:
            (found,) = detector.detect([picture], confidence=options.confidence, nms=options.nms)
        spent_ms = 1000 * (time.perf_counter() - start)
    except (OSError, PictureError) as error:
        reason = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        return FacesRecord(source, "files", index, now, now, Status.FAILED, error=reason, model=model)
    record = FacesRecord(
        source=source,
        camera_id="files",
        frame_id=index,
        captured_at=captured_at,
        detected_at=now,
        status=Status.OK,
        faces=found.to_faces(detector.class_names),
        image=ImageSize(picture.width, picture.height),
        model=model,
        inference_ms=round(spent_ms, 2),
    )
    if options.annotate is not None:
        _annotate(picture, record, options.annotate, path.name)
    return record


def _annotate(picture: "Picture", record: "FacesRecord", directory: Path, name: str) -> None:
    """Write the picture with its boxes as PNG, under its own name; of the same names each gets a number."""
    import cv2

    pixels = picture.pixels.copy()
    thickness = max(1, round(max(picture.width, picture.height) / 500))
    for face in record.faces:
        box = face.bounding_box
        corner = (box.x + box.width - 1, box.y + box.height - 1)
        cv2.rectangle(pixels, (box.x, box.y), corner, (0, 255, 0), thickness)
        label = f"{face.class_name or ''} {face.confidence:.2f}".strip()
        cv2.putText(pixels, label, (box.x, max(12, box.y - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thickness, (0, 255, 0))
    file = directory / f"{name}.png"
    if record.frame_id and file.exists():
        file = directory / f"{name}-{record.frame_id}.png"
    file.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def _describe(path: Path, fields: dict[str, Any]) -> str:
    if fields["error"]:
        return f"{path}: failed: {fields['error']}"
    boxes = "".join(
        "\n  {x},{y} {width}x{height}".format(**face["bounding_box"])
        + f"  {face['confidence']:.2f}"
        + (f"  {face['class']}" if "class" in face else "")
        for face in fields["faces"]
    )
    noun = "face" if fields["total_faces"] == 1 else "faces"
    return f"{path}: {fields['total_faces']} {noun}, {fields['inference_ms']:.0f} ms{boxes}"


@contextmanager
def _progress(pictures: Sequence[Path]) -> Iterator[Any]:
    """Show a bar on stderr where there are many pictures and someone looks; yields the function that advances it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if len(pictures) < _PROGRESS_FROM or not console.is_terminal:
        yield lambda: None
        return
    with Progress(console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("detecting", total=len(pictures))
        yield lambda: bar.advance(task)
