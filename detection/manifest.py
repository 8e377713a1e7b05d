"""The models that Crowdwatch knows by name: those it ships, those a site imported, and any .cfg with its .weights
beside it."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import models
from contracts.errors import ModelError
from detection.prepare import Fit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Kind: TypeAlias = Literal["darknet", "yunet", "scrfd"]

SHIPPED = Path(models.__file__).parent
ACCURACY_BOUND = 0.005
"""How much average precision a less exact arithmetic may lose."""

_KEYS = frozenset("description licence note kind input fit classes average_precision files".split())
_ROLES = {"darknet": ("cfg", "weights", "calibration"), "yunet": ("onnx",), "scrfd": ("onnx",)}


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: where it lies, its SHA-256 where that is known, and where it can be fetched."""

    path: Path
    sha256: str | None = None
    url: str | None = None

    def read(self) -> bytes:
        """Return its content.

        Raises:
            ModelError: it is not there or cannot be read.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ModelError(f"{self.path}: {error.strerror}") from error

    def problem(self) -> str | None:
        """Say what is wrong with the file, None when it is there and has the right sum."""
        if not self.path.is_file():
            return "absent"
        if self.sha256 is None:
            return None
        found = sha256_of(self.path)
        return None if found == self.sha256 else f"wrong SHA-256: expected {self.sha256}, got {found}"


@dataclass(frozen=True)
class ModelEntry:
    """One model.

    Attributes:
        name: by which it is asked for.
        kind: what reads it.
        files: by role: `cfg`, `weights` and, for int8, `calibration`; or `onnx`.
        fit: how pictures are fitted into its input.
        classes: names of its classes; empty for one class, or for classes without names.
        average_precision: by precision, as measured on the project's validation pictures.
        input_size: width and height, where the files do not say.
        description: for people.
        licence: of the weights.
        note: what else is to be known.
    """

    name: str
    kind: Kind
    files: Mapping[str, ModelFile]
    fit: Fit = "letterbox"
    classes: tuple[str, ...] = ()
    average_precision: Mapping[str, float] = field(default_factory=dict)
    input_size: tuple[int, int] | None = None
    description: str = ""
    licence: str = "unknown"
    note: str = ""

    def class_names(self, count: int) -> tuple[str, ...]:
        """Return `count` names.

        Raises:
            ModelError: the manifest names another number of classes.
        """
        if not self.classes:
            return ("face",) if count == 1 else tuple(f"class_{index}" for index in range(count))
        if len(self.classes) != count:
            raise ModelError(f"{self.name}: expected {count} class names, got {len(self.classes)}")
        return self.classes

    @property
    def approved_precisions(self) -> tuple[str, ...]:
        """Those whose measured average precision lies within the bound of float32's."""
        exact = self.average_precision.get("float32")
        if exact is None:
            return ("float32",)
        return tuple(
            precision for precision, score in self.average_precision.items() if score >= exact - ACCURACY_BOUND
        )


def user_models(cache_dir: Path) -> Path:
    """Return the directory that imported and fetched models are kept in."""
    return cache_dir / "models"


def read_models(cache_dir: Path) -> dict[str, ModelEntry]:
    """Return every model known by name; what a site imported goes before what is shipped.

    Raises:
        ModelError: a manifest is damaged.
    """
    entries = _read_manifest(SHIPPED / "manifest.toml", user_models(cache_dir))
    for manifest in sorted(user_models(cache_dir).glob("*.toml")):
        entries |= _read_manifest(manifest, user_models(cache_dir))
    return entries


def find_model(model: str, cache_dir: Path) -> ModelEntry:
    """Find a model by its name, or by the path of its .cfg.

    Raises:
        ModelError: there is none; the message lists those known.
    """
    if model.endswith(".cfg"):
        return describe_cfg(Path(model))
    entries = read_models(cache_dir)
    if model not in entries:
        raise ModelError(f"unknown model {model!r}; known: {', '.join(sorted(entries))}, or a path FILE.cfg")
    return entries[model]


def describe_cfg(cfg: Path) -> ModelEntry:
    """Describe a model by its .cfg, with .weights and, if there, .calibration.json and .names (a class a line) beside
    it."""
    files = {"cfg": ModelFile(cfg), "weights": ModelFile(cfg.with_suffix(".weights"))}
    calibration, names = cfg.with_suffix(".calibration.json"), cfg.with_suffix(".names")
    if calibration.is_file():
        files["calibration"] = ModelFile(calibration)
    classes = tuple(names.read_text("utf-8", "replace").split("\n")) if names.is_file() else ()
    return ModelEntry(cfg.stem, "darknet", files, classes=tuple(name.strip() for name in classes if name.strip()))


def _read_manifest(manifest: Path, fetched: Path) -> dict[str, ModelEntry]:
    try:
        table = tomllib.loads(manifest.read_text("utf-8"))["models"]
        return {name: _read_entry(name, fields, manifest.parent, fetched) for name, fields in table.items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{manifest}: cannot be read: {type(error).__name__} {error}") from error


def _read_entry(name: str, fields: Mapping[str, Any], shipped: Path, fetched: Path) -> ModelEntry:
    unknown = set(fields) - _KEYS
    if unknown:
        raise ModelError(f"manifest: {name}: unknown keys {sorted(unknown)}; known: {', '.join(sorted(_KEYS))}")
    kind = fields.get("kind", "darknet")
    if kind not in get_args(Kind) or fields.get("fit", "letterbox") not in get_args(Fit):
        raise ModelError(
            f"manifest: {name}: expected kind {get_args(Kind)} and fit {get_args(Fit)}, got {dict(fields)}"
        )
    files = {}
    for role, file in fields["files"].items():
        if role not in _ROLES[kind]:
            raise ModelError(f"manifest: {name}: unknown file {role!r}; known: {', '.join(_ROLES[kind])}")
        folder = fetched if "url" in file else shipped
        files[role] = ModelFile(folder / file["file"], file.get("sha256"), file.get("url"))
    size = fields.get("input")
    return ModelEntry(
        name,
        kind,
        files,
        fit=fields.get("fit", "letterbox"),
        classes=tuple(fields.get("classes", ())),
        average_precision=dict(fields.get("average_precision", {})),
        input_size=None if size is None else (int(size[0]), int(size[1])),
        description=fields.get("description", ""),
        licence=fields.get("licence", "unknown"),
        note=fields.get("note", ""),
    )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
