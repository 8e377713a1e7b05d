"""Models of a worker process: few are kept, and one that cannot be loaded is not tried for each frame."""

import pytest

from contracts.errors import ModelError
from settings import Settings
from workers.loaded_models import LoadedModels, load_by_name


class FakeDetector:
    runtime_name = "none"

    def __init__(self, name):
        self.name = name


def test_the_least_recently_used_model_is_dropped():
    loads = []
    models = LoadedModels(lambda name: loads.append(name) or FakeDetector(name), most=2)
    for name in ("a", "b", "a", "c"):
        assert models.get(name).name == name
    assert loads == ["a", "b", "c"]
    assert [models.loaded(name) is not None for name in "abc"] == [True, False, True]
    models.get("b")
    assert loads == ["a", "b", "c", "b"]


@pytest.mark.parametrize("error", [ModelError("no such file"), RuntimeError("the runtime broke"), MemoryError("full")])
def test_a_load_that_fails_is_tried_again_later(error):
    now, loads = [0.0], []

    def load(name):
        loads.append(name)
        if now[0] < 50:
            raise error
        return FakeDetector(name)

    models = LoadedModels(load, 1, lambda: now[0])
    for now[0] in (0.0, 1.0, 29.0, 31.0, 50.0):
        with pytest.raises(ModelError, match=f"'a' cannot be loaded: .*{error}"):
            models.get("a")
    assert len(loads) == 2
    now[0] = 62.0
    assert models.get("a").name == "a"
    assert len(loads) == 3


def test_a_camera_names_no_file(tmp_path):
    with pytest.raises(ModelError, match="not a file"):
        load_by_name(Settings(cache_dir=tmp_path))("/etc/other.cfg")
