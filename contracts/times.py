"""RFC 3339 time stamps in UTC, to the millisecond: what MongoDB and Kafka keep, so that a round trip is exact."""

from datetime import datetime, timedelta, timezone

from contracts.errors import ContractError

EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
AHEAD_AT_MOST = timedelta(minutes=5)
_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def is_believable(claimed: datetime, logged: datetime) -> bool:
    """Whether a time that a record claims can be right: not before 2000, and at most five minutes after `logged`.

    `logged` is the record's own time in the log.
    """
    return EARLIEST <= claimed <= logged + AHEAD_AT_MOST


def to_rfc3339(at: datetime) -> str:
    """Return `at` (with a time zone) as `2026-11-23T21:30:00.123Z`.

    Raises:
        ContractError: `at` carries no time zone.
    """
    if at.tzinfo is None:
        raise ContractError(f"expected a time with a time zone, got {at.isoformat()}")
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    """Return the UTC time that `text` names, cut to the millisecond.

    Raises:
        ContractError: `text` is no RFC 3339 time, or names no time zone.
    """
    try:
        at = datetime.fromisoformat(_six_digits(text))
        utc = at.astimezone(timezone.utc)
    except (ValueError, TypeError, OverflowError) as error:
        raise ContractError(f"expected an RFC 3339 time such as 2026-11-23T21:30:00.123Z, got {text!r}") from error
    if at.tzinfo is None:
        raise ContractError(f"expected an RFC 3339 time with a zone (Z or +hh:mm), got {text!r}")
    return to_milliseconds(utc)


def from_epoch_ms(milliseconds: int) -> datetime:
    """Return the UTC time that lies `milliseconds` after 1970, as Kafka stamps its records.

    Raises:
        ContractError: the number lies outside the years 1 to 9999.
    """
    try:
        seconds, rest = divmod(milliseconds, 1000)
        return datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise ContractError(f"expected milliseconds since 1970, got {milliseconds}") from error


def from_record_ms(milliseconds: int) -> datetime:
    """Return the time of a record's stamp; one outside the years 1970 to 9999 counts as the nearest within."""
    return from_epoch_ms(min(max(milliseconds, 0), _LAST_MS))


def to_milliseconds(at: datetime) -> datetime:
    """Return `at` cut to the millisecond."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _six_digits(text: str) -> str:
    """Bring `Z` and any number of fraction digits to what `datetime.fromisoformat` of Python 3.10 reads."""
    text = text.strip()
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    head, point, tail = text.partition(".")
    if not point:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}"
