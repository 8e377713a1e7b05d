"""Events and alerts: what the analytics found out, and what somebody should be told."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec

from contracts.decoding import Int64, decoded
from contracts.errors import ContractError
from contracts.ids import camera_id, fit_text, name
from contracts.offsets import SourceOffset
from contracts.times import from_rfc3339, to_rfc3339

SCHEMA_VERSION = 1
_MOST_MESSAGE = 2000
_Label = Annotated[str, msgspec.Meta(max_length=300)]


class EventKind(str, Enum):
    """What can happen."""

    LINE_CROSSED = "line_crossed"
    ZONE_ENTERED = "zone_entered"
    ZONE_LEFT = "zone_left"
    QUEUE_JOINED = "queue_joined"
    QUEUE_LEFT = "queue_left"
    ENGAGED = "engaged"
    DENSITY_LEVEL = "density_level"
    CAPACITY_LEVEL = "capacity_level"
    INTRUSION = "intrusion"
    GATHERING = "gathering"
    DISPERSAL = "dispersal"
    DISTANCE = "distance"
    BOTTLENECK = "bottleneck"
    CLEARED = "cleared"
    CAMERA_OFFLINE = "camera_offline"
    CAMERA_ONLINE = "camera_online"
    CLOCK_SKEW = "clock_skew"


class Severity(str, Enum):
    """How urgent an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


def event_id(*about: object) -> str:
    """Return the id of an event or alert: 32 hex digits, a hash of what it is about, so that a repeat has the same."""
    text = compact_json([str(part) for part in about], "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def compact_json(value: Any, surrogates: str = "replace") -> bytes:
    """Return JSON types, and JSON that is encoded already (`msgspec.Raw`), as compact UTF-8 JSON.

    Halves of surrogate pairs are no UTF-8: `surrogates` is the error handler of `str.encode` that writes them.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda raw: json.loads(bytes(raw)))
        return text.encode("utf-8", surrogates)


@dataclass(frozen=True)
class Event:
    """Something that happened before a camera, at a time. `source` is the frame that showed it."""

    kind: EventKind
    camera_id: str
    at: datetime
    source: SourceOffset
    zone: str | None = None
    line: str | None = None
    track_id: int | None = None
    direction: str | None = None
    value: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.direction not in (None, "in", "out"):
            raise ContractError(f"event: expected direction in or out, got {self.direction!r}")

    @cached_property
    def event_id(self) -> str:
        """A hash of camera, kind, time, place, track and direction; not of the frame: a replay may number it anew."""
        place = (self.zone, self.line, self.track_id, self.direction)
        return event_id(self.camera_id, self.kind.value, to_rfc3339(self.at), *place)

    @cached_property
    def _encoded(self) -> bytes:
        return compact_json(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON types, with the field names and order of the contract."""
        return {
            "event_id": self.event_id,
            "kind": self.kind.value,
            "camera_id": self.camera_id,
            "zone": self.zone,
            "line": self.line,
            "track_id": self.track_id,
            "direction": self.direction,
            "at": to_rfc3339(self.at),
            "value": dict(self.value),
            "source": {
                "topic": self.source.topic,
                "partition": self.source.partition,
                "offset": self.source.offset,
            },
            "schema_version": SCHEMA_VERSION,
        }

    def encode(self) -> bytes:
        """Return the event's value in Kafka: compact UTF-8 JSON."""
        return self._encoded

    @classmethod
    def decode(cls, value: bytes) -> "Event":
        """Read an event from Kafka.

        Raises:
            ContractError: it is no event of this version.
        """
        return decoded(lambda given: _decode_event(given).to_event(), value, "event")


@dataclass(frozen=True)
class Delivery:
    """An alert was sent over a channel, or could not be."""

    channel: str
    at: datetime
    ok: bool


@dataclass(frozen=True)
class Alert:
    """Somebody should look: raised by an event, cleared when its cause is gone, acknowledged by a person."""

    rule: str
    severity: Severity
    camera_id: str
    message: str
    event_id: str
    raised_at: datetime
    zone: str | None = None
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    sent: tuple[Delivery, ...] = ()

    @property
    def alert_id(self) -> str:
        """A hash of the rule and the event that raised it."""
        return event_id("alert", self.rule, self.event_id)

    def to_dict(self) -> dict[str, Any]:
        """Return the alert as JSON types, with the field names and order of the contract."""
        return {
            "alert_id": self.alert_id,
            "rule": self.rule,
            "severity": self.severity.value,
            "camera_id": self.camera_id,
            "zone": self.zone,
            "message": self.message,
            "event_id": self.event_id,
            "raised_at": to_rfc3339(self.raised_at),
            "cleared_at": _to_text(self.cleared_at),
            "acknowledged_at": _to_text(self.acknowledged_at),
            "acknowledged_by": self.acknowledged_by,
            "sent": [{"channel": one.channel, "at": to_rfc3339(one.at), "ok": one.ok} for one in self.sent],
        }

    def encode(self) -> bytes:
        """Return the alert's value in Kafka: compact UTF-8 JSON."""
        return compact_json(self.to_dict())

    @classmethod
    def decode(cls, value: bytes) -> "Alert":
        """Read an alert from Kafka.

        Raises:
            ContractError: it is no alert.
        """
        return decoded(lambda given: _decode_alert(given).to_alert(), value, "alert")

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Alert":
        """Read an alert from JSON types.

        Raises:
            ContractError: it is no alert.
        """
        return decoded(lambda given: msgspec.convert(given, _WireAlert).to_alert(), fields, "alert")


_Plain = Int64 | float | str | bool | None


class _WireEvent(msgspec.Struct):
    kind: EventKind
    camera_id: str
    zone: str | None
    line: str | None
    track_id: Int64 | None
    direction: Literal["in", "out"] | None
    at: str
    value: dict[_Label, _Plain | list[_Plain]]
    source: SourceOffset

    def to_event(self) -> Event:
        return Event(
            kind=self.kind,
            camera_id=camera_id(self.camera_id),
            at=from_rfc3339(self.at),
            source=self.source,
            zone=_name(self.zone, "zone"),
            line=_name(self.line, "line"),
            track_id=self.track_id,
            direction=self.direction,
            value=self.value,
        )


class _WireDelivery(msgspec.Struct):
    channel: _Label
    at: str
    ok: bool


class _WireAlert(msgspec.Struct):
    rule: _Label
    severity: Severity
    camera_id: str
    zone: str | None
    message: str
    event_id: _Label
    raised_at: str
    cleared_at: str | None
    acknowledged_at: str | None
    acknowledged_by: _Label | None
    sent: Annotated[tuple[_WireDelivery, ...], msgspec.Meta(max_length=1000)]

    def to_alert(self) -> Alert:
        return Alert(
            rule=self.rule,
            severity=self.severity,
            camera_id=camera_id(self.camera_id),
            message=fit_text(self.message, _MOST_MESSAGE),
            event_id=self.event_id,
            raised_at=from_rfc3339(self.raised_at),
            zone=_name(self.zone, "zone"),
            cleared_at=_from_text(self.cleared_at),
            acknowledged_at=_from_text(self.acknowledged_at),
            acknowledged_by=self.acknowledged_by,
            sent=tuple(Delivery(one.channel, from_rfc3339(one.at), one.ok) for one in self.sent),
        )


_decode_event = msgspec.json.Decoder(_WireEvent).decode
_decode_alert = msgspec.json.Decoder(_WireAlert).decode


def _name(text: str | None, what: str) -> str | None:
    return None if text is None else name(text, what)


def _to_text(at: datetime | None) -> str | None:
    return None if at is None else to_rfc3339(at)


def _from_text(text: str | None) -> datetime | None:
    return None if text is None else from_rfc3339(text)
