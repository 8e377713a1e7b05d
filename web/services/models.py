"""The installed models, and whether one does what a camera's document asks of it."""

from typing import Any

from contracts.cameras import Camera
from contracts.classes import counted_classes
from contracts.errors import ContractError, ModelError
from detection.installed import InstalledModel, described_model, known_models
from settings import Settings


class Models:
    """The models of this installation, as the web's own `CROWDWATCH_CACHE_DIR` has them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def shown(self) -> list[dict[str, Any]]:
        """Return the models that can be used, the default first.

        Raises:
            ModelError: a manifest is damaged.
        """
        usable = {one.name: one for one in known_models(self._settings.cache_dir) if one.problem is None}
        default = described_model(self._settings.model, self._settings.cache_dir)
        usable = ({} if default.problem else {default.name: default}) | usable
        return [_shown(one, one.name == default.name) for one in usable.values()]

    def check(self, camera: Camera) -> None:
        """Check that a camera's model is installed, and has the classes that the camera names.

        Raises:
            ContractError: it is not, or has not; the message lists those that can be chosen.
        """
        if camera.model is None and camera.classes is None:
            return
        try:
            model = self._model_of(camera)
        except ModelError as error:
            raise ContractError(f"camera: model: {error}") from error
        unknown = [name for name in camera.classes or () if name not in model.class_names]
        if unknown:
            known = ", ".join(model.class_names)
            raise ContractError(
                f"camera: classes: the model {model.name} has no class {', '.join(unknown):.100}; it has {known:.300}"
            )

    def _model_of(self, camera: Camera) -> InstalledModel:
        if camera.model is None:
            model = described_model(self._settings.model, self._settings.cache_dir)
        else:
            known = {one.name: one for one in known_models(self._settings.cache_dir)}
            usable = ", ".join(name for name, one in known.items() if one.problem is None)
            if camera.model not in known:
                raise ModelError(f"there is no model {camera.model!r:.100}; installed are {usable:.300}")
            model = known[camera.model]
        if model.problem is not None:
            raise ModelError(f"{model.name} is not installed: {model.problem}; see `crowdwatch models`")
        return model


def _shown(model: InstalledModel, is_default: bool) -> dict[str, Any]:
    return {
        "name": model.name,
        "description": model.description,
        "classes": list(model.class_names),
        "counted": list(counted_classes(model.class_names, None)),
        "default": is_default,
    }
