"""Odd records and requests: they follow from their seed, and hold what no JSON has."""

import random
from datetime import datetime, timezone

import pytest

from bench.fuzz.documents import Requests
from bench.fuzz.records import RawName, Records
from bench.fuzz.trees import Pairs, Raw, mutate, parse, write

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)


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
    for seed in range(300):
        rng = random.Random(seed)
        assert write(mutate(parse(b'{"a": [1, {"b": null}], "c": {"d": []}}'), rng, lambda: 7, 8)) is not None


def test_a_name_that_is_no_text_is_sent_as_it_is():
    assert RawName(b"gr\xfcn").encode("utf-8") == b"gr\xfcn"
