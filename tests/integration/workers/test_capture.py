"""Capture into a real log: by the Python interface, and as the command that an operator runs and stops."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
from kafka import KafkaConsumer, TopicPartition

from contracts.frames import FrameHeaders, Origin
from samples import CLIP
from settings import Settings
from workers.capture import Capture, CaptureOptions
from workers.capture_sources import open_source


def read_frames(settings: Settings) -> list[tuple[bytes, bytes, FrameHeaders]]:
    """Return key, picture and headers of all that is in the topic of frames."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), auto_offset_reset="earliest", group_id=None
    )
    try:
        partitions = [TopicPartition(settings.topic_frames, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found = []
        deadline = time.monotonic() + 30
        while len(found) < sum(ends.values()) and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=500).values():
                found += [(record.key, record.value, FrameHeaders.decode(record.headers)) for record in records]
        return found
    finally:
        consumer.close()


def test_a_clip_goes_into_the_log_as_fast_as_it_is_taken(settings: Settings) -> None:
    capture = Capture(settings, "gate-1", open_source(str(CLIP)), CaptureOptions(fps=5, max_age_ms=60_000, pace=False))
    capture.start()
    try:
        capture.run(threading.Event(), count=25)
        assert capture.ready() == {"kafka": True, "source": True}
    finally:
        capture.close()
    frames = read_frames(settings)
    assert len(frames) == 25 and {key for key, _, _ in frames} == {b"gate-1"}
    headers = [header for _, _, header in frames]
    assert [(header.frame_id or 0) - (headers[0].frame_id or 0) for header in headers] == list(range(25))
    times = [header.captured_at for header in headers if header.captured_at]
    steps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    assert all(abs(step - 0.2) < 0.002 for step in steps)
    assert {(header.content_type, header.origin, header.max_age_ms) for header in headers} == {
        ("image/jpeg", Origin.FILE, 60_000)
    }
    picture = cv2.imdecode(np.frombuffer(frames[0][1], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (720, 1280, 3)


def test_the_command_stops_cleanly_and_its_frame_ids_go_on_after_a_restart(settings: Settings, tmp_path: Path) -> None:
    for number in range(5):
        picture = np.full((48, 64, 3), number * 40, np.uint8)
        (tmp_path / f"{number}.jpg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    command = [sys.executable, "-m", "ops", "camera", "--id", "gate-2", "--source", str(tmp_path), "--loop", "--fps=50"]
    for _ in range(2):
        before = len(frames_or_none(settings))
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, env=os.environ | settings.to_environment(), stderr=log)
        deadline = time.monotonic() + 60
        while len(frames_or_none(settings)) < before + 20:  # more than before: signals are handled by then
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    frames = read_frames(settings)
    ids = [headers.frame_id or 0 for _, _, headers in frames]
    assert len(ids) >= 40 and ids == sorted(set(ids))
    assert [picture for _, picture, _ in frames[:5]] == [(tmp_path / f"{n}.jpg").read_bytes() for n in range(5)]


def frames_or_none(settings: Settings) -> list[tuple[bytes, bytes, FrameHeaders]]:
    """Return what is in the topic; nothing while it is not made yet."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    try:
        known = settings.topic_frames in consumer.topics()
    finally:
        consumer.close()
    return read_frames(settings) if known else []
