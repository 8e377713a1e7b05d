"""Which of a model's classes count for a camera."""

from collections.abc import Sequence

COUNTED = ("person", "head", "face")
"""What a model with several classes counts unless a camera says otherwise."""


def counted_classes(names: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the classes that count, in the model's order; empty if the model has none of them.

    Without `wanted` these are all of a model with one class, else those named person, head or face, else all.
    """
    if wanted is not None:
        return tuple(name for name in names if name in wanted)
    people = () if len(names) == 1 else tuple(name for name in names if name in COUNTED)
    return people or tuple(names)
