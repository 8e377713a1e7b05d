"""JSON as a tree that may hold what no JSON has: keys twice, and fragments that stand as they are."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

_MOST_COPIES = 2000


class Raw(bytes):
    """A fragment of a document, written as it stands."""


class Pairs(list[tuple[Any, Any]]):
    """An object as pairs, whose keys may repeat."""


def parse(document: bytes) -> Any:
    """Read JSON into a tree."""
    return json.loads(document, object_pairs_hook=Pairs)


def write(tree: Any) -> bytes:
    """Return a tree as JSON, or what is left of it."""
    if isinstance(tree, Raw):
        return bytes(tree)
    if isinstance(tree, Pairs):
        return b"{" + b",".join(write(key) + b":" + write(value) for key, value in tree) + b"}"
    if isinstance(tree, list):
        return b"[" + b",".join(map(write, tree)) + b"]"
    return json.dumps(tree).encode()


def mutate(tree: Any, rng: random.Random, odd: Callable[[], Any], times: int) -> Any:
    """Change a tree in some places: leave out, repeat, rename, exchange, wrap, or put what `odd` returns there."""
    holder: list[Any] = [tree]
    for _ in range(times):
        container, index = rng.choice(_places(holder))
        _change(container, index, rng, odd, holder)
        if not holder:
            holder.append(odd())
    return holder[0]


def _places(tree: Any) -> list[tuple[Any, int]]:
    """Return every place of a tree: the container and the index in it."""
    found: list[tuple[Any, int]] = []
    for index, entry in enumerate(tree):
        found.append((tree, index))
        value = entry[1] if isinstance(tree, Pairs) else entry
        if isinstance(value, list):
            found += _places(value)
    return found


def _change(container: Any, index: int, rng: random.Random, odd: Callable[[], Any], root: list[Any]) -> None:
    is_object = isinstance(container, Pairs)
    key, value = container[index] if is_object else (None, container[index])

    def put(new: Any) -> None:
        container[index] = (key, new) if is_object else new

    kind = rng.random()
    if kind < 0.50:
        put(odd())
    elif kind < 0.62 and container is not root:
        del container[index]
    elif kind < 0.68:
        container.append((key, odd()) if is_object else value)
    elif kind < 0.76 and is_object:
        container[index] = (odd(), value)
    elif kind < 0.82 and is_object:
        container.append((odd(), odd()))
    elif kind < 0.88:
        other, at = rng.choice(_places(root))
        put(copy.deepcopy(other[at][1] if isinstance(other, Pairs) else other[at]))  # a copy: no tree holds itself
    elif kind < 0.92:
        put([value])
    elif kind < 0.96:
        put(Pairs([("a", value)]))
    elif isinstance(value, list) and not isinstance(value, Pairs) and value:
        put([value[0]] * rng.randint(2, _MOST_COPIES))
    else:
        put(odd())
