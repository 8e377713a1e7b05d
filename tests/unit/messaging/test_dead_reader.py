import pytest

from contracts.errors import ContractError
from contracts.offsets import SourceOffset
from messaging.dead_reader import DeadLetter, parse_place
from messaging.records import LogRecord
from settings import Settings

SETTINGS = Settings()
PLACE = SourceOffset("frames.dead", 0, 7)
LONG_AGO_MS = 1_795_469_400_123


def letter(*headers, key=b"gate-1", value=b"picture"):
    return DeadLetter.from_record(LogRecord(PLACE, LONG_AGO_MS, key, value, headers), SETTINGS)


@pytest.mark.parametrize("text", ["7", "0/7", "frames.dead/0/7"])
def test_a_letter_is_named_by_its_place(text):
    assert parse_place(text, "frames.dead") == PLACE


@pytest.mark.parametrize("text", ["", "x", "-1", "1/2/3", "frames/0/7", "0/", "/7", "9" * 19, "٣", "0/7 "])
def test_what_names_no_letter(text):
    with pytest.raises(ContractError, match="expected a dead letter such as 17 or 0/17"):
        parse_place(text, "frames.dead")


@pytest.mark.parametrize(
    ("source", "read"),
    [
        (b"frames/3/17", SourceOffset("frames", 3, 17)),
        (b"a/b/3/17", SourceOffset("a/b", 3, 17)),
        (b"frames/3", None),
        (b"frames/3/x", None),
        (b"frames/3/" + b"9" * 30, None),
        (b"/3/17", None),
        (b"frames/2147483648/17", None),
        (b"\xff", None),
        (b"", None),
        (None, None),
    ],
)
def test_what_a_stranger_wrote_counts_as_absent(source, read):
    found = letter(("source", source), ("attempts", b"many"))
    assert (found.source, found.attempts, found.error) == (read, None, "unknown")
    assert found.camera_id == "gate-1"
    if read is None:
        assert found.why_not(SETTINGS) == "the letter does not say where the record stood"


def test_only_records_of_the_topics_of_pictures_go_back_and_none_to_another_topic():
    source = ("source", b"crowd.events/0/1")
    assert "are not retried, only those of frames, uploads, media-stream" in str(letter(source).why_not(SETTINGS))
    assert letter(("source", b"frames/0/1")).why_not(SETTINGS) is None


def test_headers_come_back_under_their_own_names_and_a_maximum_age_does_not():
    found = letter(
        ("error", b"truncated"),
        ("attempts", b"3"),
        ("source", b"frames/0/1"),
        ("origin", b"live"),
        ("max_age_ms", b"100"),
        ("retried", b"frames.dead/0/2"),
        ("frame_id", b"4"),
        ("settles", b"1:2"),
    )
    assert (found.error, found.attempts) == ("truncated", 3)
    assert dict(found.headers) == {
        "source": b"live",
        "max_age_ms": b"100",
        "retried": b"frames.dead/0/2",
        "frame_id": b"4",
    }
    assert found.to_retry() == [("source", b"live"), ("frame_id", b"4"), ("retried", b"frames.dead/0/7")]


@pytest.mark.parametrize(
    ("key", "camera"), [(b"\x00", None), (b"\xff", "\ufffd"), (None, "camera-2"), (b"k" * 900, None)]
)
def test_a_key_that_names_no_camera(key, camera):
    assert letter(("source", b"frames/2/1"), key=key).camera_id == camera
    assert letter(("source", b"Faces/2/1"), key=key).camera_id is None
