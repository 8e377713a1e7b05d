from typing import Annotated

import pytest
from flask import Flask
from pydantic import Field, SecretStr

from web.errors import RequestError
from web.parameters import Body, CameraName, Printable, Query, known_names, read_body, read_query


class Listing(Query):
    camera: CameraName | None = None
    limit: int = Field(7, ge=1, le=10)
    wait: float = Field(0, ge=0, le=30)
    sender: Annotated[Printable, Field(max_length=20)] | None = None


class SignIn(Body):
    name: str
    password: SecretStr = Field(min_length=8)


def _query(text):
    with Flask("web").test_request_context(f"/?{text}"):
        return read_query(Listing)


def _body(data):
    with Flask("web").test_request_context("/", method="POST", data=data):
        return read_body(SignIn)


def test_what_is_not_given_has_its_default():
    assert _query("") == Listing(camera=None, limit=7, wait=0, sender=None)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("limit=10", "limit", 10),
        ("limit=3&limit=4", "limit", 3),
        ("wait=2.5", "wait", 2.5),
        ("wait=1e1", "wait", 10),
        ("camera=T%C3%BCr%202", "camera", "Tür 2"),
        ("unknown=1&limit=2", "limit", 2),
    ],
)
def test_what_is_read(text, name, value):
    assert getattr(_query(text), name) == value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((f"limit={text}", "limit") for text in ("", "0", "11", "-1", "1.5", "ten", "9" * 5000)),
        *((f"wait={text}", "wait") for text in ("", "soon", "-0.1", "30.1", "nan", "inf", "-inf")),
        *((f"camera={text}", "camera") for text in ("", "%20", "a" * 201, "a%0ab", "a%00")),
    ],
)
def test_what_is_refused_names_the_parameter_and_what_came(text, name):
    with pytest.raises(RequestError, match=f"^{name}: .*, is ") as refused:
        _query(text)
    assert refused.value.status == 400
    assert len(str(refused.value)) < 300
    assert [wrong["field"] for wrong in refused.value.detail] == [name]


def test_all_that_is_wrong_is_in_the_detail():
    with pytest.raises(RequestError) as refused:
        _query("limit=0&wait=-1")
    assert [wrong["field"] for wrong in refused.value.detail] == ["limit", "wait"]


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff", b"[]", b"null", b'{"name": 1}', b'{"nick": ""}'])
def test_a_body_that_is_refused(data):
    with pytest.raises(RequestError) as refused:
        _body(data)
    assert refused.value.status == 400


def test_what_is_in_a_body_is_not_repeated():
    with pytest.raises(RequestError) as refused:
        _body(b'{"name": "ada", "password": "secret"}')
    assert "at least 8" in str(refused.value)
    assert "secret" not in f"{refused.value} {refused.value.detail}"


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, ("chat", "Faces")), ("Faces", ("Faces",)), (" Faces ,chat,Faces", ("Faces", "chat"))],
)
def test_names(text, names):
    assert known_names(text, "topics", ("chat", "Faces")) == names


@pytest.mark.parametrize("text", ["", ",", "faces", "chat,frames"])
def test_unknown_names_list_the_known(text):
    with pytest.raises(RequestError, match="topics should be of chat, Faces") as refused:
        known_names(text, "topics", ("chat", "Faces"))
    assert refused.value.detail == {"known": ["chat", "Faces"]}
