"""The `frames` (and `uploads`) record: an encoded picture, with its camera as key and the rest in headers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from contracts.errors import ContractError
from contracts.ids import camera_id_of_key
from contracts.offsets import SourceOffset
from contracts.times import from_record_ms, from_rfc3339, is_believable, to_rfc3339

Headers = Sequence[tuple[str, bytes]]


class Origin(str, Enum):
    """Where a frame came from: header `source`."""

    LIVE = "live"
    FILE = "file"
    UPLOAD = "upload"
    API = "api"

    @classmethod
    def of(cls, text: str | None) -> "Origin | None":
        """Return the origin that a producer names, None for any other text."""
        return cls(text) if text in _ORIGINS else None


_ORIGINS = frozenset(origin.value for origin in Origin)


@dataclass(frozen=True)
class FrameHeaders:
    """What a producer says of a frame. Every part may be absent: a producer that sets no headers is welcome.

    Attributes:
        frame_id: rising per camera; the offset when absent.
        captured_at: with a time zone; the record's timestamp when absent.
        content_type: for instance `image/jpeg`.
        origin: where the frame came from.
        max_age_ms: a frame older than this when a worker reads it is answered `skipped`.
    """

    frame_id: int | None = None
    captured_at: datetime | None = None
    content_type: str | None = None
    origin: Origin | None = None
    max_age_ms: int | None = None

    def encode(self) -> list[tuple[str, bytes]]:
        """Return the record's headers; what is absent is left out."""
        values = {
            "frame_id": None if self.frame_id is None else str(self.frame_id),
            "captured_at": None if self.captured_at is None else to_rfc3339(self.captured_at),
            "content-type": self.content_type,
            "source": None if self.origin is None else self.origin.value,
            "max_age_ms": None if self.max_age_ms is None else str(self.max_age_ms),
        }
        return [(name, value.encode()) for name, value in values.items() if value is not None]

    @classmethod
    def decode(cls, headers: Headers) -> "FrameHeaders":
        """Read a record's headers. A header that cannot be read counts as absent: the picture is what matters."""
        texts = {
            name: value.decode("utf-8", "replace")
            for name, value in headers
            if value is not None and len(value) <= _MOST_HEADER_BYTES
        }
        return cls(
            frame_id=_integer(texts.get("frame_id")),
            captured_at=_time(texts.get("captured_at")),
            content_type=texts.get("content-type"),
            origin=Origin.of(texts.get("source")),
            max_age_ms=_integer(texts.get("max_age_ms")),
        )


@dataclass(frozen=True)
class Frame:
    """A frame as a worker reads it, with every default filled in.

    Attributes:
        captured_at: what the producer claims, or `received_at` where that cannot be right.
        received_at: the record's own time in the log.
        claimed_at: what the producer claims, only where it cannot be right.
    """

    source: SourceOffset
    camera_id: str
    frame_id: int
    captured_at: datetime
    picture: bytes
    received_at: datetime
    max_age_ms: int | None = None
    origin: Origin | None = None
    claimed_at: datetime | None = None

    @classmethod
    def from_record(
        cls, source: SourceOffset, *, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int
    ) -> "Frame":
        """Build a frame from the parts of a Kafka record, with a default for each part that is absent.

        Raises:
            ContractError: the key is not a camera's id.
        """
        given, received_at = FrameHeaders.decode(headers), from_record_ms(timestamp_ms)
        captured_at, claimed_at = believed(given.captured_at, received_at)
        return cls(
            source=source,
            camera_id=camera_id_of_key(key, source.partition),
            frame_id=source.offset if given.frame_id is None else given.frame_id,
            captured_at=captured_at,
            picture=value or b"",
            received_at=received_at,
            max_age_ms=given.max_age_ms,
            origin=given.origin,
            claimed_at=claimed_at,
        )

    def age_ms(self, now: datetime) -> float:
        """Milliseconds from capture until `now`."""
        return (now - self.captured_at).total_seconds() * 1000

    def is_too_old(self, now: datetime) -> bool:
        """Whether the source's maximum age has passed, so that detection is to be skipped."""
        return self.max_age_ms is not None and self.age_ms(now) > self.max_age_ms


def believed(claimed: datetime | None, logged: datetime) -> tuple[datetime, datetime | None]:
    """Return the time of capture to go by, and the claimed one where that is another.

    A record that claims no time, or one that cannot be right, was captured when it came into the log.
    """
    if claimed is None:
        return logged, None
    return (claimed, None) if is_believable(claimed, logged) else (logged, claimed)


_INT64 = 2**63
_MOST_HEADER_BYTES = 200


def _integer(text: str | None) -> int | None:
    """Read a whole number from 0 that BSON can hold (64 bits)."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    number = int(text)
    return number if number < _INT64 else None


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else from_rfc3339(text)
    except ContractError:
        return None
