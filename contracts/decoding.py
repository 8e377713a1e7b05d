"""The border: what comes in from a topic, a document or a task is decoded here, by msgspec, and checked against types.

Whatever a decoder raises is the fault of what it was given, never of the role that reads it.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from contracts.errors import ContractError

T = TypeVar("T")

INT64 = 2**63
MOST_JSON_BYTES = 16 * 1024 * 1024
"""MongoDB holds no larger document, and no record of ours comes near it."""

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
"""A finite number."""

_PLACE = re.compile(r"^(.*?)(?: - at `(key in )?\$\.?(.*)`)?$", re.DOTALL)


def decoded(decode: Callable[[Any], T], value: Any, what: str) -> T:
    """Return what `decode` makes of `value`; `what` says in errors what it should have been.

    Raises:
        ContractError: `decode` raised anything at all; the message names the field.
    """
    if isinstance(value, bytes) and len(value) > MOST_JSON_BYTES:
        raise ContractError(f"{what}: {len(value)} bytes, more than the {MOST_JSON_BYTES} allowed")
    try:
        return decode(value)
    except ContractError:
        raise
    except msgspec.ValidationError as error:
        raise ContractError(f"{what}: {_in_words(str(error))}"[:500]) from error
    except Exception as error:  # RecursionError, UnicodeError, OverflowError, …
        raise ContractError(f"{what}: cannot be read: {type(error).__name__}: {error}"[:500]) from error


def _in_words(message: str) -> str:
    """Turn ``Expected `int` - at `$.faces[0]`` into ``faces[0]: expected `int` ``."""
    found = _PLACE.match(message)
    if found is None:
        return message
    said, _, place = found.groups()
    said = said[:1].lower() + said[1:]
    return f"{place}: {said}" if place else said
