"""Dead letters against a real broker: what is kept of a record, and what is not."""

from datetime import datetime, timezone

import pytest

from contracts.frames import FrameHeaders, Origin
from contracts.offsets import OffsetRange, SourceOffset
from messaging.admin import ensure_topics
from messaging.dead import LOST, DeadLetters
from messaging.producer import Producer
from messaging.reader import LogReader
from messaging.records import LogRecord

AT = datetime(2026, 11, 23, 21, 30, 0, 123000, timezone.utc)


@pytest.fixture
def producer(settings):
    ensure_topics(settings)
    producer = Producer(settings, max_block_s=1)
    producer.start()
    yield producer
    producer.close()


@pytest.fixture
def reader(settings):
    reader = LogReader(settings)
    reader.start()
    yield reader
    reader.close()


def record(topic, value=b"picture", key=b"gate-1", headers=()):
    return LogRecord(SourceOffset(topic, 1, 17), int(AT.timestamp() * 1000), key, value, tuple(headers))


def letters(reader, settings, count):
    return reader.read_range(settings.topic_dead, 0, OffsetRange(0, count)).records


def test_a_letter_keeps_what_a_retry_needs(producer, reader, settings):
    given = FrameHeaders(frame_id=4, captured_at=AT, content_type="image/png", origin=Origin.LIVE, max_age_ms=500)
    chunk = [("chunk", b"media-stream/0/3:1"), ("traceparent", b"00-aa-bb-01"), ("x-secret", b"not kept")]
    DeadLetters(producer, settings).bury_all(
        [
            (record(settings.topic_frames, headers=[*given.encode(), *chunk]), "truncated"),
            (record(settings.topic_frames), "no headers"),
            (record(settings.topic_media), "a chunk"),
            (record(settings.topic_faces, headers=[("settles", b"1:2")]), "no result \ud800"),
        ],
        attempts=3,
    )
    whole, bare, media, result = letters(reader, settings, 4)
    assert (whole.key, whole.value) == (b"gate-1", b"picture")
    assert dict(whole.headers) == {
        "error": b"truncated",
        "attempts": b"3",
        "source": f"{settings.topic_frames}/1/17".encode(),
        "origin": b"live",
        "frame_id": b"4",
        "captured_at": b"2026-11-23T21:30:00.123Z",
        "content-type": b"image/png",
        "max_age_ms": b"500",
        "chunk": b"media-stream/0/3:1",
        "traceparent": b"00-aa-bb-01",
    }
    assert (bare.header("frame_id"), bare.header("captured_at")) == (b"17", b"2026-11-23T21:30:00.123Z")
    assert (media.header("frame_id"), media.header("captured_at")) == (None, b"2026-11-23T21:30:00.123Z")
    assert {name for name, _ in result.headers} == {"error", "attempts", "source"}
    assert result.header("error") == b"no result ?"


def test_a_time_that_was_not_believed_is_not_repeated(producer, reader, settings):
    future = FrameHeaders(frame_id=4, captured_at=AT.replace(year=2099)).encode()
    DeadLetters(producer, settings).bury_all([(record(settings.topic_frames, headers=future), "truncated")])
    (letter,) = letters(reader, settings, 1)
    assert FrameHeaders.decode(letter.headers).captured_at == AT


def test_what_is_too_large_stays_behind_and_is_named(producer, reader, settings):
    small = settings.model_copy(update={"max_picture_bytes": 1000})
    odd = record(
        settings.topic_frames, b"x" * 1001, b"k" * 300_000, [("frames", b"0:0," * 100_000), ("frame_id", b"4")]
    )
    DeadLetters(producer, small).bury_all([(odd, "e" * 100_000)])
    (letter,) = letters(reader, settings, 1)
    assert letter.value is None and letter.key == b"k" * 1000
    assert len(letter.header("error")) == 2000
    assert letter.header("dropped_bytes") == b"1001"
    assert letter.header("dropped_key_bytes") == b"300000"
    assert letter.header("dropped_headers") == b"frames"
    assert letter.header("frame_id") == b"4"


def test_a_letter_that_kafka_does_not_take_is_counted_and_passed(producer, settings, caplog):
    nowhere = settings.model_copy(update={"topic_dead": f"{settings.topic_dead}-missing"})
    before = LOST._value.get()
    DeadLetters(producer, nowhere).bury_all([(record(settings.topic_frames), "truncated")] * 3)
    assert LOST._value.get() == before + 3
    assert f"{settings.topic_frames}/1/17 has no dead letter" in caplog.text
