"""Odd records and requests: they follow from their seed, and whatever decodes them refuses them in one way."""

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import bson
import pytest

from bench.fuzz.documents import Requests
from bench.fuzz.records import OddRecord, RawName, Records
from bench.fuzz.trees import Pairs, Raw, mutate, parse, write
from contracts.errors import ContractError
from contracts.events import Alert, Event
from contracts.faces import FacesRecord
from contracts.frames import Frame
from contracts.media import MediaChunk
from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import DetectRange
from messaging.records import LogRecord
from web.services.messages import ChatMessage, to_json

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
SOURCE = SourceOffset("frames", 0, 5)
COUNT = 2000


def test_records_and_requests_follow_from_their_seed():
    first, again, other = (Records(seed, NOW) for seed in (1, 1, 2))
    assert [first.odd(number) for number in range(200)] == [again.odd(number) for number in range(200)]
    assert [first.odd(number) for number in range(20)] != [other.odd(number) for number in range(20)]
    assert [Requests(1, NOW).odd(number) for number in range(100)] == [
        Requests(1, NOW).odd(number) for number in range(100)
    ]


def test_topics_are_chosen_by_name():
    assert {Records(1, NOW, ["chat"]).odd(number).topic for number in range(20)} == {"chat"}
    with pytest.raises(ValueError, match="unknown topics: nope; known: frames, "):
        Records(1, NOW, ["nope"])


def test_a_tree_keeps_what_no_json_has():
    tree = Pairs([("a", 1), ("a", Raw(b"NaN")), (Raw(b"1"), [True, "\ud800"])])
    assert write(tree) == b'{"a":1,"a":NaN,1:[true,"\\ud800"]}'
    assert write(parse(b'{"a": [1, {"b": null}]}')) == b'{"a":[1,{"b":null}]}'


def test_a_tree_that_is_changed_often_still_ends():
    import random

    for seed in range(300):
        rng = random.Random(seed)
        assert write(mutate(parse(b'{"a": [1, {"b": null}], "c": {"d": []}}'), rng, lambda: 7, 8)) is not None


def test_a_name_that_is_no_text_is_sent_as_it_is():
    assert RawName(b"gr\xfcn").encode("utf-8") == b"gr\xfcn"


def decoders(record: OddRecord) -> list[Callable[[], Any]]:
    """Return what is done to a record by those who read its topic; each returns what MongoDB would be given."""
    value = record.value or b""
    headers = [(str(name), said) for name, said in record.headers]
    parts: dict[str, Any] = {
        "key": record.key,
        "value": record.value,
        "headers": headers,
        "timestamp_ms": record.timestamp_ms or 0,
    }

    def frame() -> dict[str, Any]:
        read = Frame.from_record(SOURCE, **parts)
        return {"camera_id": read.camera_id, "frame_id": read.frame_id, "captured_at": read.captured_at}

    def chunk() -> dict[str, Any]:
        read = MediaChunk.from_record(SOURCE, **parts)
        return dict(read.frame_headers(7, 5000, "image/jpeg").encode())

    def shown() -> dict[str, Any]:
        found = to_json(LogRecord(SOURCE, record.timestamp_ms or 0, record.key, record.value, tuple(headers)))
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        return {}

    def ranges() -> dict[str, Any]:
        for name, said in headers:
            if said is not None and name == "settles":
                OffsetRange.decode(said)
            if said is not None and name == "task":
                DetectRange.decode("frames", 0, said)
        return {}

    return {
        "frames": [frame],
        "uploads": [frame],
        "media-stream": [chunk],
        "Faces": [lambda: FacesRecord.decode(FacesRecord.decode(value).encode()).to_dict(), ranges, shown],
        "crowd.events": [lambda: Event.decode(Event.decode(value).encode()).to_dict()],
        "crowd.alerts": [lambda: Alert.decode(Alert.decode(value).encode()).to_dict()],
        "chat": [lambda: vars(ChatMessage.from_json(value)), shown],
        "frames.dead": [],
    }[record.topic]


def test_what_is_odd_is_read_or_refused_and_what_was_read_can_be_stored():
    records, failures = Records(1, NOW), []
    read = refused = 0
    for number in range(COUNT):
        record = records.odd(number)
        for decode in decoders(record):
            try:
                bson.encode(decode())
                read += 1
            except ContractError:
                refused += 1
            except Exception as error:  # whatever it is, it would end a role
                failures.append(f"record {number} of {record.topic}: {error!r:.200}")
    assert failures == []
    assert read > COUNT / 5
    assert refused > COUNT / 5
