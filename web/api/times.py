"""Times in a query: RFC 3339."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from contracts.errors import ContractError
from contracts.times import from_rfc3339

_LOST_PLUS = re.compile(r" (?=\d\d:\d\d$)")


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return from_rfc3339(_LOST_PLUS.sub("+", value))  # a plus that nobody escaped comes as a space
    except ContractError as error:
        raise ValueError(str(error)) from error


QueryTime = Annotated[datetime, BeforeValidator(_read)]
"""A time such as 2026-11-23T21:30:00Z."""
