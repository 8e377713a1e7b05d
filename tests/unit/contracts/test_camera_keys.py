"""Every key of a camera has a test that shows what it does on a running role: `@pytest.mark.acts("zones.limit", …)`.

A key that is only stored is a promise that nobody keeps.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec.inspect

from contracts.cameras import RULES, Camera

TESTS = Path(__file__).parents[2]
IDENTITY = {"camera_id"}
"""Names the camera, and has no effect of its own."""


def keys(kind: msgspec.inspect.Type) -> Iterator[str]:
    """Give the keys of a part of the schema as paths, without the numbers and names of list and table entries."""
    if isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            inner = list(keys(field.type))
            yield from (f"{field.encode_name}.{one}" for one in inner) if inner else [field.encode_name]
    elif isinstance(kind, msgspec.inspect.UnionType):
        for one in kind.types:
            yield from keys(one)
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        yield from keys(kind.item_type)
    elif isinstance(kind, msgspec.inspect.DictType):
        yield from keys(kind.value_type)


def marked_keys() -> Iterator[tuple[str, str]]:
    """Give the keys that tests say they show, each with the test's name."""
    for file in (TESTS / "integration").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.acts":
                        yield from ((ast.literal_eval(key), f"{file.name}::{node.name}") for key in mark.args)


def schema() -> set[str]:
    """Return all keys but the identity; a schedule counts as one key, as every schedule is read by the same code."""
    found = {key.partition(".schedule.")[0] + ".schedule" if ".schedule." in key else key for key in keys(_CAMERA)}
    return found - IDENTITY


_CAMERA = msgspec.inspect.type_info(Camera)


def test_the_walk_sees_nested_keys() -> None:
    assert {"model", "zones.polygon", "zones.schedule", "lines.from", "source.url", "rules.enabled"} <= schema()


def test_every_key_of_a_camera_has_a_test_of_its_effect() -> None:
    tested = dict(marked_keys())
    assert set(tested) - schema() == set(), "no such keys"
    assert schema() - set(tested) == set(), "these keys have no test that shows what they do"


def test_the_reference_says_what_every_key_does() -> None:
    page = (TESTS.parent / "docs/reference/cameras.md").read_text("utf-8")
    described = re.findall(r"^\| `([a-z_.0-9]+)` \|", page, re.MULTILINE)
    assert set(described) == schema()
    assert len(described) == len(set(described))
    for kind in RULES:
        assert f"`{kind}`" in page
