import pytest

from web.clients import COOKIE, name_client
from web.errors import RequestError


def test_a_name_goes_before_the_cookie():
    client = name_client({"client": "till-7"}, {COOKIE: "a" * 22})
    assert (client.id, client.new_cookie) == ("name/till-7", None)


def test_a_cookie_is_given_once_and_then_known():
    first = name_client({}, {})
    assert first.new_cookie is not None
    again = name_client({}, {COOKIE: first.new_cookie})
    assert (again.id, again.new_cookie) == (first.id, None)
    assert name_client({}, {}).id != first.id


@pytest.mark.parametrize("cookie", ["", "short", "a" * 23, "../../../../../../../x", "a" * 21 + "\n"])
def test_a_cookie_that_was_not_given_is_replaced(cookie):
    client = name_client({}, {COOKIE: cookie})
    assert client.new_cookie is not None
    assert cookie not in client.id.removeprefix("cookie/") or not cookie


def test_a_name_cannot_be_mistaken_for_a_cookie():
    cookie = "a" * 22
    assert name_client({"client": cookie}, {}).id != name_client({}, {COOKIE: cookie}).id


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\tb"])
def test_names_that_are_none(name):
    with pytest.raises(RequestError, match="client should be 1 to 100 printable characters"):
        name_client({"client": name}, {})
