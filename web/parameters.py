"""Reads parameters of a request, with errors that name the parameter, what was expected and what came."""

from collections.abc import Mapping, Sequence

from web.errors import RequestError

_MAX_DIGITS = 18


def whole_number(given: Mapping[str, str], name: str, *, default: int, maximum: int, minimum: int = 1) -> int:
    """Return the whole number `name`, `default` without it.

    Raises:
        RequestError: 400, it is no number from `minimum` to `maximum`.
    """
    text = given.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None
    if number is None or not minimum <= number <= maximum:
        raise RequestError(400, f"{name} should be a whole number from {minimum} to {maximum}, is {text!r:.40}")
    return number


def seconds(given: Mapping[str, str], name: str, *, maximum: float) -> float:
    """Return the time `name` in seconds, 0 without it.

    Raises:
        RequestError: 400, it is no number from 0 to `maximum`.
    """
    text = given.get(name)
    if text is None:
        return 0.0
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= maximum:  # NaN is not
        raise RequestError(400, f"{name} should be seconds from 0 to {maximum:g}, is {text!r:.40}")
    return number


def printable(given: Mapping[str, str], name: str, *, default: str | None, max_length: int) -> str | None:
    """Return the text `name`, `default` without it.

    Raises:
        RequestError: 400, it is empty, too long, or holds characters that cannot be printed.
    """
    text = given.get(name)
    if text is None:
        return default
    if not text.strip() or len(text) > max_length or not text.isprintable():
        raise RequestError(400, f"{name} should be 1 to {max_length} printable characters, is {text!r:.60}")
    return text


def names_of(given: Mapping[str, str], name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the names listed in `name`, separated by commas; all that are `known` without it.

    Raises:
        RequestError: 400, a name is unknown or none is given; the detail lists the known ones.
    """
    text = given.get(name)
    if text is None:
        return tuple(known)
    wanted = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [part for part in wanted if part not in known]
    if unknown or not wanted:
        what = f"unknown: {', '.join(unknown):.80}" if unknown else "no name is given"
        raise RequestError(
            400, f"{name} should be of {', '.join(known)}; {what}", code="unknown_name", detail={"known": list(known)}
        )
    return wanted
