import pytest

from web.clients import COOKIE, name_client


def test_a_name_goes_before_the_key_and_the_key_before_the_cookie():
    cookies = {COOKIE: "a" * 22}
    assert name_client("till-7", "k1", cookies).id == "name/till-7"
    assert name_client(None, "k1", cookies).id == "key/k1"
    assert name_client(None, None, cookies).id == "cookie/" + "a" * 22


def test_a_cookie_is_given_once_and_then_known():
    first = name_client(None, None, {})
    assert first.new_cookie is not None
    again = name_client(None, None, {COOKIE: first.new_cookie})
    assert (again.id, again.new_cookie) == (first.id, None)
    assert name_client(None, None, {}).id != first.id


@pytest.mark.parametrize("cookie", ["", "short", "a" * 23, "../../../../../../../x", "a" * 21 + "\n"])
def test_a_cookie_that_was_not_given_is_replaced(cookie):
    client = name_client(None, None, {COOKIE: cookie})
    assert client.new_cookie is not None
    assert cookie not in client.id.removeprefix("cookie/") or not cookie


def test_a_name_cannot_be_mistaken_for_a_key_or_a_cookie():
    same = "a" * 22
    assert len({name_client(same, None, {}), name_client(None, same, {}), name_client(None, None, {COOKIE: same})}) == 3
