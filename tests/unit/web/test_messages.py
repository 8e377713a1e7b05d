import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractError
from contracts.offsets import SourceOffset
from messaging.records import LogRecord
from web.services.messages import MAX_CONTENT, MAX_SENDER, ChatMessage, to_json

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=50))
def test_a_message_goes_through_json(content, sender):
    message = ChatMessage.from_json(json.dumps({"content": content, "sender": sender}).encode())
    assert json.loads(message.encode(AT)) == {
        "content": content,
        "sender": sender,
        "sent_at": "2026-11-23T21:30:00.123Z",
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "expected JSON"),
        (b"{", "expected JSON"),
        (b"\xff", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b"[]", "expected a JSON object"),
        (b'{"sender": "me"}', "content should be a string, is absent"),
        (b'{"content": null, "sender": "me"}', "content should be a string, is absent"),
        (b'{"content": 1, "sender": "me"}', "content should be a string, is int"),
        (b'{"content": "", "sender": "me"}', f"content should have 1 to {MAX_CONTENT} characters, has 0"),
        (b'{"content": "hi"}', "sender should be a string"),
        (b'{"content": "hi", "sender": ["me"]}', "sender should be a string, is list"),
        (b'{"content": "\\ud800", "sender": "me"}', "half of a surrogate pair"),
        (b'{"content": "hi", "sender": "me", "topic": "x"}', "unknown fields: topic; known: content, sender"),
        (json.dumps({"content": "x" * (MAX_CONTENT + 1), "sender": "me"}).encode(), "characters, has"),
        (json.dumps({"content": "x", "sender": "m" * (MAX_SENDER + 1)}).encode(), "sender should have 1 to 200"),
    ],
)
def test_what_is_no_message(body, why):
    with pytest.raises(ContractError, match=why):
        ChatMessage.from_json(body)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"a": [1, null]}', {"a": [1, None]}),
        (b"[1]", "[1]"),
        (b"12", "12"),
        (b"hello \xc3\xbc", "hello ü"),
        (b"\xff", "\ufffd"),
        (b"", ""),
        (b"{" * 100_000, "{" * 100_000),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": 1e999}', '{"a": 1e999}'),
        (b'{"a": "\\ud800"}', '{"a": "\\ud800"}'),
    ],
)
def test_a_value_is_an_object_or_text(value, shown):
    record = LogRecord(SourceOffset("chat", 0, 7), 1_795_469_400_123, None, value)
    assert to_json(record) == {
        "topic": "chat",
        "partition": 0,
        "offset": 7,
        "at": "2026-11-23T21:30:00.123Z",
        "value": shown,
    }
