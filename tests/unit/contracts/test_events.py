"""Events and alerts: round trips, and ids that repeat."""

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest

from contracts.errors import ContractError
from contracts.events import Alert, Delivery, Event, EventKind, Severity, compact_json, event_id
from contracts.offsets import SourceOffset

AT = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)
EVENT = Event(
    EventKind.LINE_CROSSED, "gate-1", AT, SourceOffset("frames", 0, 7), line="door", track_id=3, direction="in"
)
ALERT = Alert(
    "intrusion", Severity.CRITICAL, "gate-1", "Somebody is in the vault", EVENT.event_id, AT, zone="vault",
    cleared_at=AT, sent=(Delivery("webhook", AT, True),),
)  # fmt: skip


def test_records_come_back_as_they_were() -> None:
    assert Event.decode(EVENT.encode()) == EVENT
    assert Alert.decode(ALERT.encode()) == ALERT


def test_an_event_names_every_field_of_the_contract() -> None:
    assert list(EVENT.to_dict()) == [
        "event_id", "kind", "camera_id", "zone", "line", "track_id", "direction", "at", "value", "source",
        "schema_version",
    ]  # fmt: skip


def test_the_id_is_that_of_what_happened() -> None:
    again = replace(EVENT, source=SourceOffset("frames", 1, 99))
    assert again.event_id == EVENT.event_id
    others = [replace(EVENT, **change) for change in ({"track_id": 4}, {"direction": "out"}, {"line": "gate"})]
    assert len({EVENT.event_id, *(other.event_id for other in others)}) == 4


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}", b'{"kind": "party"}', b"[" * 100_000, b'{"value":' * 100_000, b"\xff\xfe", b"null"]
)
def test_what_is_no_record_is_refused(value: bytes) -> None:
    for record in (Event, Alert):
        with pytest.raises(ContractError):
            record.decode(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera_id": "x" * 300_000}, "camera_id should be 1 to 200"),
        ({"camera_id": "a\0"}, "control characters"),
        ({"zone": "\n"}, "zone should be"),
        ({"zone": 7}, "zone: expected `str"),
        ({"at": "9999-99-99"}, "RFC 3339"),
        ({"raised_at": "0000-01-01T00:00:00Z"}, "RFC 3339"),
        ({"track_id": 2**63}, "track_id: expected `int`"),
        ({"severity": "fatal"}, "severity: invalid enum value"),
        ({"sent": {}}, "sent: expected `array`"),
        ({"source": {"topic": "frames", "partition": 0, "offset": 2**63}}, "source.offset: expected `int` <="),
        ({"value": {"count": 2**63}}, "value.* expected `int` <="),
        ({"value": {"count": {"deep": {}}}}, "value"),
        ({"at": True}, "at: expected `str`"),
        ({"value": []}, "value: expected `object`"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    record: Event | Alert = EVENT if change.keys() <= EVENT.to_dict().keys() else ALERT
    value = json.dumps({**record.to_dict(), **change}).encode()
    with pytest.raises(ContractError, match=message):
        type(record).decode(value)


def test_a_direction_is_in_or_out() -> None:
    with pytest.raises(ContractError, match="in or out"):
        replace(EVENT, direction="left")


def test_halves_of_surrogate_pairs_are_written_beside_json_that_is_encoded_already() -> None:
    assert compact_json({"zone": "\ud800", "event": msgspec.Raw(b'{"at":1}')}) == b'{"zone":"?","event":{"at":1}}'
    assert event_id("\ud800") != event_id("\ud801")
