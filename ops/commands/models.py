"""`crowdwatch models`: list, verify, fetch, import, calibrate and compare models."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from detection import Picture
    from detection.manifest import ModelEntry
    from settings.model import Settings


@click.group()
def command() -> None:
    """List, verify, fetch, import, calibrate and compare models."""


@command.command("list")
def _list() -> None:
    """Show every model known by name, and whether its files are there."""
    from rich.console import Console
    from rich.table import Table

    from detection.manifest import read_models

    table = Table(box=None, pad_edge=False)
    for column in ("name", "kind", "AP", "files"):
        table.add_column(column, no_wrap=True)
    for column in ("licence", "what"):
        table.add_column(column, overflow="fold")
    for entry in read_models(_settings().cache_dir).values():
        absent = [role for role, file in entry.files.items() if not file.path.is_file()]
        accuracy = entry.average_precision.get("float32")
        table.add_row(
            entry.name,
            entry.kind,
            "" if accuracy is None else f"{accuracy:.3f}",
            f"{' and '.join(absent)} absent" if absent else "there",
            entry.licence,
            entry.description,
        )
    Console().print(table)


@command.command("verify")
@click.argument("names", nargs=-1)
def _verify(names: tuple[str, ...]) -> None:
    """Compare the files of models with their SHA-256; without NAMES, of all whose weights are there. Exits 1 if one
    differs."""
    from detection.manifest import read_models

    entries = read_models(_settings().cache_dir)
    wrong = False
    for entry in _named(entries, names):
        problems = {role: problem for role, file in entry.files.items() if (problem := file.problem())}
        if not names and set(problems.values()) == {"absent"}:
            click.echo(f"{entry.name}: not fetched")
            continue
        wrong |= bool(problems)
        for role, file in entry.files.items():
            click.echo(f"{entry.name}: {role} {file.path.name}: {problems.get(role, 'ok')}")
    sys.exit(1 if wrong else 0)


@command.command("fetch")
@click.argument("name")
def _fetch(name: str) -> None:
    """Download what is absent of a model; a download that broke off goes on where it stopped."""
    from detection.manifest import read_models
    from detection.model_store import fetch

    (entry,) = _named(read_models(_settings().cache_dir), (name,))
    with _bar(f"fetching {name}") as show:
        fetched = fetch(entry, show)
    click.echo("\n".join(f"fetched {file}" for file in fetched) or f"{name} is complete")


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Name to give it; the file's own by default.")
def _import(file: Path, name: str | None) -> None:
    """Take in FILE.cfg (with FILE.weights beside it), the .weights of a model that is listed without them, or a YuNet
    or SCRFD as FILE.onnx."""
    from contracts.errors import ModelError
    from detection.model_store import import_cfg, import_onnx, import_weights

    cache_dir = _settings().cache_dir
    if file.suffix == ".cfg":
        entry = import_cfg(file, name, cache_dir)
    elif file.suffix == ".onnx":
        entry = import_onnx(file, name, cache_dir)
    elif file.suffix == ".weights":
        entry = import_weights(file, cache_dir)
    else:
        raise ModelError(f"expected FILE.cfg, FILE.weights or FILE.onnx, got {file.name}")
    click.echo(f"imported {entry.name} ({entry.kind})")


@command.command("calibrate")
@click.argument("cfg", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def _calibrate(cfg: Path, pictures: tuple[Path, ...]) -> None:
    """Measure on PICTURES (a hundred or two of the kind to come) what int8 needs; writes FILE.calibration.json beside
    FILE.cfg."""
    from detection.cache import write_atomically
    from detection.calibrate import calibrate
    from detection.loading import read_darknet
    from detection.manifest import describe_cfg

    settings = _settings()
    entry = describe_cfg(cfg)
    files = {role: file for role, file in entry.files.items() if role != "calibration"}  # an old one may not fit
    model = read_darknet(replace(entry, files=files), settings.cache_dir)
    decoded = (picture for _, picture in _decode_all(pictures, settings))
    calibration = calibrate(model, decoded, entry.fit, os.cpu_count() or 1)
    target = cfg.with_suffix(".calibration.json")
    write_atomically(target, calibration.encode())
    click.echo(f"wrote {target}, measured on {calibration.pictures} pictures")


@command.command("compare")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", "names", multiple=True, help="Only these; all that are installed by default.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Write the bars to this PNG.")
def _compare(pictures: tuple[Path, ...], names: tuple[str, ...], plot: Path | None) -> None:
    """Run every model over PICTURES (files or folders) and show faces found, agreement and milliseconds."""
    from rich.console import Console
    from rich.table import Table

    from detection.compare import compare, draw_comparison
    from detection.manifest import read_models

    settings = _settings()
    entries = read_models(settings.cache_dir)
    chosen = [e for e in _named(entries, names) if names or all(f.path.is_file() for f in e.files.values())]
    decoded = [picture for _, picture in _decode_all(pictures, settings)]
    lines = compare([entry.name for entry in chosen], decoded, settings.cache_dir, os.cpu_count() or 1)
    table = Table("model", "faces", "agreement", "ms a picture", box=None, pad_edge=False)
    for line in lines:
        table.add_row(line.model, str(line.faces), f"{line.agreement:.2f}", f"{line.ms:.1f}")
    Console().print(table)
    click.echo(
        f"agreement: share of its faces and of the first model's that match (IoU 0.4), over {len(decoded)} pictures"
    )
    if plot is not None:
        plot.write_bytes(draw_comparison(lines))


def _decode_all(paths: Iterable[Path], settings: "Settings") -> Iterator[tuple[Path, "Picture"]]:
    """Decode files and what folders hold; says which cannot be used, and goes on."""
    from contracts.errors import PictureError
    from detection import decode_picture

    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            try:
                yield file, decode_picture(file.read_bytes(), max_pixels=settings.max_picture_pixels)
            except (OSError, PictureError) as error:
                click.echo(f"left out {file}: {error}", err=True)


def _named(entries: "dict[str, ModelEntry]", names: tuple[str, ...]) -> "list[ModelEntry]":
    from contracts.errors import ModelError

    for name in names:
        if name not in entries:
            raise ModelError(f"unknown model {name!r}; known: {', '.join(sorted(entries))}")
    return [entries[name] for name in names] if names else list(entries.values())


def _settings() -> "Settings":
    from settings.model import Settings

    return Settings.from_environment()


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
