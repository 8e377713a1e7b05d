import pytest

from web.errors import RequestError
from web.services.cursors import decode_positions, encode_positions
from web.services.dead_letters import content_of


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (None, "nothing"),
        (b"", "nothing"),
        (b"\xff\xd8\xff\xe0 and so on", "picture"),
        (b'{"a": [1, "\\ud800", NaN]}', "json"),
        (b"[" * 100_000, "text"),
        (b"1" * 5000, "text"),
        ("two\nlines of Grüße\n".encode(), "text"),
        (b"a\x00b", "binary"),
        (b"\xff\xfe", "binary"),
    ],
)
def test_what_a_value_is(value, content):
    assert content_of(value) == content


def test_positions_survive_as_a_cursor():
    assert decode_positions(encode_positions({0: 17, 3: 2**63 - 1}, {}), 2) == [{0: 17, 3: 2**63 - 1}, {}]


@pytest.mark.parametrize("cursor", ["", "x", "W10", "e30", "W3siMCI6IC0xfV0", "W3siMCI6IDEuNX1d", "bnVsbA", "ÿ"])
def test_what_is_no_cursor(cursor):
    with pytest.raises(RequestError, match="should be the next of an earlier page"):
        decode_positions(cursor, 1)


def test_a_cursor_of_another_list_is_none():
    with pytest.raises(RequestError):
        decode_positions(encode_positions({0: 17}), 2)
