"""Chunks: what a producer says, what is made of what it leaves out, and the old form."""

import json
from datetime import datetime, timezone

import pytest

from contracts.errors import ContractError
from contracts.frames import FrameHeaders, Origin
from contracts.media import ChunkFrame, MediaChunk, MediaHeaders
from contracts.offsets import SourceOffset

AT = datetime(2026, 11, 23, 21, 30, 0, 250_000, tzinfo=timezone.utc)
AT_MS = int(AT.timestamp() * 1000)
PLACE = SourceOffset("media-stream", 3, 7)


def read(value, headers=(), key=b"gate"):
    return MediaChunk.from_record(PLACE, key=key, value=value, headers=headers, timestamp_ms=AT_MS)


def test_headers_come_back_as_they_went():
    first = FrameHeaders(42, AT, "video/x-matroska", Origin.LIVE, 2000)
    for frames in (None, (), (ChunkFrame(0, 0), ChunkFrame(2, 80), ChunkFrame(3, 80))):
        assert MediaHeaders.decode(MediaHeaders(first, frames).encode()) == MediaHeaders(first, frames)


def test_a_chunk_gives_its_frames_their_headers():
    headers = MediaHeaders(FrameHeaders(42, AT, "video/x-matroska", Origin.LIVE, 2000), (ChunkFrame(0, 0),)).encode()
    chunk = read(b"video", headers)
    assert (chunk.camera_id, chunk.frame_id, chunk.captured_at, chunk.video) == ("gate", 42, AT, b"video")
    later = chunk.frame_headers(43, 40, "image/jpeg")
    assert (later.frame_id, later.origin, later.max_age_ms) == (43, Origin.LIVE, 2000)
    assert later.captured_at is not None and (later.captured_at - AT).total_seconds() == 0.04


def test_a_producer_that_sets_no_headers_is_welcome():
    chunk = read(b"video", key=None)
    assert (chunk.camera_id, chunk.frame_id, chunk.captured_at, chunk.frames) == ("camera-3", None, AT, None)


@pytest.mark.parametrize(
    "said", [b"0", b"0:", b"a:0", b"0:-1", b"1:0,0:40", b"0:40,1:0", b"0:0,0:1", b"0:99999999999", b"0:0,,1:1", b"\xff"]
)
def test_frames_that_cannot_be_read_are_told_of(said):
    with pytest.raises(ContractError, match="header frames"):
        read(b"video", [("frames", said)])


@pytest.mark.parametrize(
    "stamp", [AT.timestamp(), AT_MS, str(AT.timestamp()), AT.isoformat(), None, "yesterday", {}, 1e400, -1e300, True]
)
def test_the_old_form_is_understood_whatever_its_time_looks_like(stamp):
    value = json.dumps({"timestamp": stamp, "video_chunk": b"video".hex(), "audio_chunk": b"audio".hex()})
    chunk = read(value.encode())
    assert (chunk.video, chunk.audio) == (b"video", b"audio")
    if stamp is not True:
        assert chunk.captured_at == AT
    assert read(json.dumps({"video_chunk": "00"}).encode()).audio is None


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{", b"{}", b'{"video_chunk": 7}', b'{"video_chunk": "0"}', b'{"video_chunk": ""}',
        b'{"video_chunk": "00", "audio_chunk": [1]}', b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_what_holds_no_video_is_told_of(value):
    with pytest.raises(ContractError):
        read(value)
