"""The models that Crowdwatch knows by name: `models/manifest.toml`, and any .cfg with its .weights beside it."""

import sys
from dataclasses import dataclass
from pathlib import Path

import models
from contracts.errors import ModelError
from detection.prepare import Fit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(models.__file__).parent


@dataclass(frozen=True)
class ModelEntry:
    """One model: its files, how pictures are fitted into its input, and its classes where they have names."""

    name: str
    cfg: Path
    weights: Path
    fit: Fit = "letterbox"
    classes: tuple[str, ...] = ()

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


def find_model(model: str) -> ModelEntry:
    """Find a model by its name, or by the path of its .cfg.

    Raises:
        ModelError: there is none; the message lists those known.
    """
    if model.endswith(".cfg"):
        cfg = Path(model)
        return ModelEntry(cfg.stem, cfg, cfg.with_suffix(".weights"))
    table = tomllib.loads((SHIPPED / "manifest.toml").read_text("utf-8"))["models"]
    if model not in table:
        raise ModelError(f"unknown model {model!r}; known: {', '.join(sorted(table))}, or a path FILE.cfg")
    fields = table[model]
    return ModelEntry(
        model,
        SHIPPED / fields["cfg"]["file"],
        SHIPPED / fields["weights"]["file"],
        fit=fields["fit"],
        classes=tuple(fields["classes"]),
    )
