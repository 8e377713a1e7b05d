import pytest

from contracts.errors import UnavailableError
from web.access.remembered import Remembered


class Store:
    """Counts what is looked up, and can be away."""

    def __init__(self):
        self.values, self.asked, self.away, self.now_s = {"a": "A"}, 0, False, 0.0

    def look_up(self, name):
        self.asked += 1
        if self.away:
            raise UnavailableError("away")
        return self.values.get(name)

    def remembered(self):
        return Remembered(self.look_up, fresh_s=3, stale_s=300, clock=lambda: self.now_s)


def test_what_was_found_is_not_asked_for_again_for_a_moment():
    store = Store()
    known = store.remembered()
    assert [known.get("a"), known.get("a"), store.asked] == ["A", "A", 1]
    store.values["a"] = "B"
    store.now_s = 3
    assert [known.get("a"), store.asked] == ["B", 2]


def test_what_is_not_there_is_asked_for_each_time():
    store = Store()
    known = store.remembered()
    assert [known.get("b"), known.get("b"), store.asked] == [None, None, 2]


def test_what_is_removed_is_gone_after_a_moment_and_at_once_where_that_is_known():
    store = Store()
    known, elsewhere = store.remembered(), store.remembered()
    known.get("a"), elsewhere.get("a")
    del store.values["a"]
    known.forget()
    assert [known.get("a"), elsewhere.get("a")] == [None, "A"]
    store.now_s = 3
    assert elsewhere.get("a") is None


def test_in_an_outage_what_was_seen_lately_is_good():
    store = Store()
    known = store.remembered()
    known.get("a")
    store.away, store.now_s = True, 299
    assert known.get("a") == "A"
    with pytest.raises(UnavailableError):
        known.get("b")
    store.now_s = 300
    with pytest.raises(UnavailableError):
        known.get("a")
