"""Cursors: where the next page of a list begins, as text that clients give back as it is."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime

from contracts.errors import ContractError
from contracts.times import from_rfc3339, to_rfc3339
from storage.lists import ListPlace
from web.errors import RequestError


def encode_place(at: datetime, key: str) -> str:
    """Return the cursor of what comes behind the entry of this time and id."""
    place = json.dumps([to_rfc3339(at), key])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def decode_place(cursor: str) -> ListPlace:
    """Return the time and id that a cursor names.

    Raises:
        RequestError: 400, it is none that `encode_place` gave.
    """
    try:
        at, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(at, str) and isinstance(key, str):
            return from_rfc3339(at), key
    except (binascii.Error, ValueError, TypeError, RecursionError, ContractError):
        pass
    raise RequestError(400, f"cursor should be the next of an earlier page, is {cursor!r:.40}")


def encode_positions(*positions: Mapping[int, int]) -> str:
    """Return the cursor of what comes behind these offsets of each partition."""
    text = json.dumps([{str(number): offset for number, offset in one.items()} for one in positions])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_positions(cursor: str, count: int) -> list[dict[int, int]]:
    """Return the `count` sets of offsets that a cursor names.

    Raises:
        RequestError: 400, it is none that `encode_positions` gave.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        positions = [{int(number): _offset(offset) for number, offset in one.items()} for one in found]
        if len(positions) == count:
            return positions
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise RequestError(400, f"cursor should be the next of an earlier page, is {cursor!r:.40}")


def _offset(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError("no offset")
    return value
