import pytest

from web import parameters
from web.errors import RequestError


@pytest.mark.parametrize(("text", "number"), [(None, 7), ("1", 1), ("10", 10), ("007", 7)])
def test_whole_numbers(text, number):
    given = {} if text is None else {"limit": text}
    assert parameters.whole_number(given, "limit", default=7, maximum=10) == number


@pytest.mark.parametrize("text", ["", "0", "11", "-1", "+1", "1.0", "1e1", " 1", "ten", "\u0661", "9" * 5000])
def test_what_is_no_whole_number_in_bounds(text):
    with pytest.raises(RequestError, match="limit should be a whole number from 1 to 10, is") as refused:
        parameters.whole_number({"limit": text}, "limit", default=7, maximum=10)
    assert refused.value.status == 400


@pytest.mark.parametrize(("text", "number"), [(None, 0), ("0", 0), ("2.5", 2.5), ("30", 30), ("1e1", 10)])
def test_seconds(text, number):
    assert parameters.seconds({} if text is None else {"wait": text}, "wait", maximum=30) == number


@pytest.mark.parametrize("text", ["", "soon", "-0.1", "30.1", "nan", "inf", "-inf"])
def test_what_is_no_time_in_bounds(text):
    with pytest.raises(RequestError, match="wait should be seconds from 0 to 30, is"):
        parameters.seconds({"wait": text}, "wait", maximum=30)


@pytest.mark.parametrize("text", ["gate-1", "Tür 2", "a" * 20])
def test_printable_text(text):
    assert parameters.printable({"camera": text}, "camera", default=None, max_length=20) == text


@pytest.mark.parametrize("text", ["", "   ", "a" * 21, "a\nb", "a\0", "\ud800"])
def test_what_cannot_be_printed(text):
    with pytest.raises(RequestError, match="camera should be 1 to 20 printable characters"):
        parameters.printable({"camera": text}, "camera", default=None, max_length=20)


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, ("chat", "Faces")), ("Faces", ("Faces",)), (" Faces ,chat,Faces", ("Faces", "chat"))],
)
def test_names(text, names):
    assert parameters.names_of({} if text is None else {"topics": text}, "topics", ("chat", "Faces")) == names


@pytest.mark.parametrize("text", ["", ",", "faces", "chat,frames"])
def test_unknown_names_list_the_known(text):
    with pytest.raises(RequestError, match="topics should be of chat, Faces") as refused:
        parameters.names_of({"topics": text}, "topics", ("chat", "Faces"))
    assert refused.value.detail == {"known": ["chat", "Faces"]}
