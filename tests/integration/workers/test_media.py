"""Encoded video into the log and frames out of it: the same as frames sent directly, whatever else is in the topic."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pymongo
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource

from contracts.frames import FrameHeaders, Origin
from contracts.media import CHUNK_HEADER
from messaging.admin import ensure_topics
from messaging.producer import Producer
from messaging.records import LogRecord
from samples import CLIP
from settings import Settings
from tests.cameras import camera_server
from tests.integration.workers.conftest import Fleet, wait_for_count
from workers.capture import Capture, CaptureOptions
from workers.capture_sources import NetworkCamera, VideoFile
from workers.media.role import Media
from workers.media.stream import MediaStream

CLIP_FRAMES = 240
AT = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)


def records_of(settings: Settings, topic: str) -> list[LogRecord]:
    """Return all that is in a topic now, each partition in order."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), auto_offset_reset="earliest", group_id=None
    )
    try:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        found: list[LogRecord] = []
        deadline = time.monotonic() + 60
        while len(found) < sum(ends.values()):
            assert time.monotonic() < deadline
            for records in consumer.poll(timeout_ms=500).values():
                found += map(LogRecord.from_kafka, records)
        return found
    finally:
        consumer.close()


def of_camera(records: list[LogRecord], camera: str) -> list[LogRecord]:
    return [record for record in records if record.key == camera.encode()]


def send(settings: Settings, role: Capture | MediaStream) -> None:
    role.start()
    try:
        role.run(threading.Event())
    finally:
        role.close()


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    ensure_topics(settings)
    producer = Producer(settings)
    producer.start()
    yield producer
    producer.close()


@pytest.fixture
def media(settings: Settings) -> Iterator[threading.Event]:
    """The role at work in this process, until the event is set or the test is over."""
    role, stop = Media(settings), threading.Event()
    role.start()
    working = threading.Thread(target=role.run, args=(stop,))
    working.start()
    yield stop
    stop.set()
    working.join(60)
    role.close()


def wait_for_frames(settings: Settings, count: int, camera: str | None = None) -> list[LogRecord]:
    """Wait for so many frames, of one camera or of all, and see that no more come."""
    deadline = time.monotonic() + 90
    while True:
        frames = records_of(settings, settings.topic_frames)
        wanted = frames if camera is None else of_camera(frames, camera)
        if len(wanted) >= count:
            assert len(wanted) == count
            return wanted
        assert time.monotonic() < deadline, f"{len(wanted)} frames of {count}"
        time.sleep(0.2)


def test_the_sample_streamed_gives_the_counts_of_its_frames_sent_directly(
    fleet: Fleet, documents: "pymongo.collection.Collection"
) -> None:
    settings = fleet.settings
    options = CaptureOptions(fps=5, max_age_ms=3_600_000, pace=False)
    send(settings, MediaStream(settings, "streamed", VideoFile(CLIP), options))
    send(settings, Capture(settings, "direct", VideoFile(CLIP), options))
    fleet.start("bridge", "worker", "sink", "media")
    wait_for_count(documents, CLIP_FRAMES)
    frames = records_of(settings, settings.topic_frames)
    direct, streamed = of_camera(frames, "direct"), of_camera(frames, "streamed")
    assert [frame.value for frame in streamed] == [frame.value for frame in direct]
    for sent in (direct, streamed):
        headers = [FrameHeaders.decode(frame.headers) for frame in sent]
        first = headers[0]
        assert first.frame_id is not None and first.captured_at is not None
        assert [one.frame_id for one in headers] == list(range(first.frame_id, first.frame_id + len(sent)))
        seconds = [(one.captured_at - first.captured_at).total_seconds() for one in headers if one.captured_at]
        assert seconds == pytest.approx([number / 5 for number in range(len(sent))], abs=0.0011)
        assert {(one.content_type, one.origin, one.max_age_ms) for one in headers} == {
            ("image/jpeg", Origin.FILE, 3_600_000)
        }
    counts = {
        camera: [one["total_faces"] for one in documents.find({"camera_id": camera}).sort("frame_id", 1)]
        for camera in ("direct", "streamed")
    }
    assert counts["streamed"] == counts["direct"] and sum(counts["direct"]) > 500
    chunks = records_of(settings, settings.topic_media)
    assert sum(len(chunk.value or b"") for chunk in chunks) < 0.2 * sum(len(frame.value or b"") for frame in direct)


def test_broken_chunks_are_put_aside_and_harm_no_neighbour(
    settings: Settings, producer: Producer, media: threading.Event
) -> None:
    clip, chance = CLIP.read_bytes(), np.random.default_rng(7)
    flipped = bytearray(clip)
    for place in chance.integers(100_000, len(clip) // 2, 200):
        flipped[place] ^= 0xFF
    broken = [
        b"", b"rubbish", chance.bytes(100_000), clip[:200_000], b'{"video_chunk": "xyz"}', b'{"audio_chunk": ""}',
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"[" * 100_000, b"{" * 100_000,
    ]  # fmt: skip
    for value in broken:
        producer.send(settings.topic_media, value, key=b"stranger", partition=0)
    producer.send(settings.topic_media, clip, key=b"stranger", partition=0, headers=[("frames", b"0:0,nonsense")])
    producer.send(settings.topic_media, clip, key=b"k" * 2000, partition=0)
    producer.send(settings.topic_media, bytes(flipped), key=b"flipped", partition=0)
    producer.send(settings.topic_media, clip, key=b"neighbour", partition=0).result(30)
    frames = wait_for_frames(settings, CLIP_FRAMES, "neighbour")
    assert {frame.source.partition for frame in frames} == {0}
    dead = records_of(settings, settings.topic_dead)
    assert [record.value or b"" for record in dead[: len(broken)]] == broken
    reasons = [(record.header("error") or b"").decode() for record in dead]
    assert len(dead) == len(broken) + 3, reasons
    assert "no video" in reasons[0] and "cannot be read as video" in reasons[1] and "hexadecimal" in reasons[4]
    assert "header frames" in reasons[-3] and "names no camera" in reasons[-2] and "part of the chunk" in reasons[-1]
    whole = of_camera(records_of(settings, settings.topic_frames), "flipped")
    assert 0 < len(whole) < CLIP_FRAMES, "what can be decoded of a damaged chunk is not lost"


def test_the_old_form_is_understood(settings: Settings, producer: Producer, media: threading.Event) -> None:
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    stamp = AT.timestamp()
    for value in (
        {"timestamp": stamp, "video_chunk": CLIP.read_bytes().hex(), "audio_chunk": b"sound".hex()},
        {"timestamp": AT.isoformat(), "video_chunk": jpeg.hex(), "audio_chunk": None},
    ):
        producer.send(settings.topic_media, json.dumps(value).encode(), key=b"old", partition=1)
    producer.send(settings.topic_media, json.dumps({"video_chunk": jpeg.hex()}).encode(), partition=2)
    frames = wait_for_frames(settings, CLIP_FRAMES + 2)
    old = [FrameHeaders.decode(frame.headers) for frame in of_camera(frames, "old")]
    assert [one.frame_id for one in old] == list(range(old[0].frame_id or 0, (old[0].frame_id or 0) + CLIP_FRAMES + 1))
    seconds = [(one.captured_at - AT).total_seconds() for one in old if one.captured_at]
    assert seconds == pytest.approx([number / 10 for number in range(CLIP_FRAMES)] + [0])
    [nameless] = of_camera(frames, "camera-2")
    assert (nameless.value, nameless.source.partition) == (jpeg, 2)


def make_topics_without_a_clock_of_their_own(settings: Settings) -> None:
    """Make the topics, and have the records of media-stream and frames bear their producers' times."""
    ensure_topics(settings)
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    config = {"message.timestamp.type": "CreateTime"}
    admin.alter_configs(
        [ConfigResource("TOPIC", name, config) for name in (settings.topic_media, settings.topic_frames)]
    )
    admin.close()


@pytest.mark.parametrize(
    ("own_clock", "ahead"),
    [(True, timedelta(0)), (True, timedelta(minutes=50)), (False, timedelta(minutes=50)), (False, timedelta(hours=-5))],
    ids=["log time", "log time, ahead", "almost an hour ahead", "hours behind"],
)
def test_a_consumer_killed_in_a_chunk_loses_no_frame_and_doubles_none(
    fleet: Fleet, own_clock: bool, ahead: timedelta
) -> None:
    settings = fleet.settings
    ensure_topics(settings) if own_clock else make_topics_without_a_clock_of_their_own(settings)
    servers = settings.kafka_bootstrap_servers.split(",")
    kafka = KafkaProducer(bootstrap_servers=servers, linger_ms=20, max_request_size=4_000_000)
    watching, place = KafkaConsumer(bootstrap_servers=servers), TopicPartition(settings.topic_frames, 0)
    now = datetime.now(timezone.utc)
    for number in range(2):
        for other in range(3000):  # another camera's frames, more than a look back would pass
            kafka.send(settings.topic_frames, b"%d" % other, b"other", partition=0)
        at = now + ahead + timedelta(minutes=number)
        kafka.send(
            settings.topic_media,
            CLIP.read_bytes(),
            b"gate",
            headers=FrameHeaders(captured_at=at).encode(),
            partition=0,
            timestamp_ms=int(at.timestamp() * 1000),
        ).get(30)
        kafka.flush()
        here, most = watching.end_offsets([place])[place], (number + 1) * CLIP_FRAMES
        fleet.start("media")
        # the rest of the first chunk comes before the second
        while watching.end_offsets([place])[place] <= here + number * CLIP_FRAMES // 2 + 20:
            time.sleep(0.01)
        fleet.kill("media")
        assert len(frames_of_gate(settings)) < most, "it was killed in the middle"
    kafka.close()
    watching.close()
    fleet.start("media")
    deadline = time.monotonic() + 90
    while len(frames := frames_of_gate(settings)) < 2 * CLIP_FRAMES:
        assert time.monotonic() < deadline, len(frames)
        time.sleep(0.2)
    pictures = Counter(frame.header(CHUNK_HEADER) for frame in frames)
    assert len(pictures) == 2 * CLIP_FRAMES and set(pictures.values()) == {1}
    ids = [FrameHeaders.decode(frame.headers).frame_id or 0 for frame in frames]
    assert ids == sorted(set(ids))


def frames_of_gate(settings: Settings) -> list[LogRecord]:
    return of_camera(records_of(settings, settings.topic_frames), "gate")


def test_a_live_camera_is_streamed_again_after_it_died(settings: Settings, media: threading.Event) -> None:
    jpegs = [cv2.imencode(".jpg", np.full((48, 64, 3), 20 * number, np.uint8))[1].tobytes() for number in range(10)]
    stop, began = threading.Event(), datetime.now(timezone.utc)
    with camera_server(jpegs) as camera:
        source = NetworkCamera(f"http://127.0.0.1:{camera.server_port}/", timeouts_s=(2, 2))
        stream = MediaStream(settings, "live", source, CaptureOptions(fps=10))
        stream.start()
        streaming = threading.Thread(target=stream.run, args=(stop,))
        streaming.start()
        wait_until(lambda: len(records_of(settings, settings.topic_frames)) > 5)
        assert stream.ready() == {"kafka": True, "source": True}
    wait_until(lambda: not stream.ready()["source"])
    before = len(records_of(settings, settings.topic_frames))
    with camera_server(jpegs, camera.server_port):
        wait_until(lambda: len(records_of(settings, settings.topic_frames)) > before + 5)
        stop.set()
        streaming.join(30)
    stream.close()
    headers = [FrameHeaders.decode(frame.headers) for frame in records_of(settings, settings.topic_frames)]
    ids = [one.frame_id or 0 for one in headers]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    times = [one.captured_at for one in headers if one.captured_at]
    assert times == sorted(times) and began <= times[0] and times[-1] <= datetime.now(timezone.utc)
    assert {one.origin for one in headers} == {Origin.LIVE}


def test_the_command_streams_until_it_is_stopped(settings: Settings, tmp_path: Path) -> None:
    ensure_topics(settings)
    command = [sys.executable, "-m", "ops", "media-stream", "--id", "gate", "--source", str(CLIP), "--loop", "--fps=5"]
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen(command, env=os.environ | settings.to_environment(), stderr=log)
    wait_until(lambda: len(records_of(settings, settings.topic_media)) > 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, (tmp_path / "log").read_text()
    chunk, *_ = records_of(settings, settings.topic_media)
    assert chunk.key == b"gate" and chunk.header("content-type") == b"video/x-matroska"
    assert (chunk.header("frames") or b"").startswith(b"0:0,2:200,4:400")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
