"""The models that are installed, as people choose among them: what each counts, and what is missing of the others."""

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ModelError
from detection.darknet.cfg import read_network
from detection.manifest import ModelEntry, find_model, read_models


@dataclass(frozen=True)
class InstalledModel:
    """A model by its name.

    Attributes:
        name: by which it is asked for.
        description: for people.
        class_names: of what it detects, by class id; empty when the model cannot be used.
        problem: why it cannot be used, None if it can.
    """

    name: str
    description: str
    class_names: tuple[str, ...]
    problem: str | None


def known_models(cache_dir: Path) -> list[InstalledModel]:
    """Return every model that has a name, in the order of the names.

    Raises:
        ModelError: a manifest is damaged.
    """
    return [_describe(entry) for _, entry in sorted(read_models(cache_dir).items())]


def described_model(model: str, cache_dir: Path) -> InstalledModel:
    """Return one model, by its name or by the path of its .cfg.

    Raises:
        ModelError: the model is unknown.
    """
    return _describe(find_model(model, cache_dir))


def _describe(entry: ModelEntry) -> InstalledModel:
    """Read what tells the classes. Files are looked for, not read whole: weights are large, and hashed elsewhere."""
    absent = [f"{role} {file.path.name}" for role, file in sorted(entry.files.items()) if not file.path.is_file()]
    if absent:
        return InstalledModel(entry.name, entry.description, (), f"{', '.join(absent)} absent")
    try:
        count = 1 if entry.kind != "darknet" else read_network(entry.files["cfg"].read(), entry.name).classes
        return InstalledModel(entry.name, entry.description, entry.class_names(count), None)
    except (ModelError, KeyError) as error:
        return InstalledModel(entry.name, entry.description, (), str(error))
