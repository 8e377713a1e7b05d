"""The programs that the documentation shows speak to real servers as it says."""

import json
import os
import subprocess
import sys
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from kafka import KafkaConsumer

from contracts.faces import FacesRecord, Status
from contracts.frames import Frame
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.producer import Producer, wait_for_all
from settings import Settings
from web.services.messages import ChatMessage

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)


def run(program: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", f"samples.clients.{program}", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pictures_are_in_the_log_with_their_camera(settings: Settings, tmp_path: Path) -> None:
    ensure_topics(settings)
    pictures = [tmp_path / "1.jpg", tmp_path / "2.jpg"]
    for picture in pictures:
        picture.write_bytes(picture.name.encode())
    servers = settings.kafka_bootstrap_servers
    told = run(
        "produce", "--camera", "desk", "--topic", settings.topic_frames, *map(str, pictures),
        KAFKA_BOOTSTRAP_SERVERS=servers,
    )  # fmt: skip
    consumer = KafkaConsumer(
        settings.topic_frames, bootstrap_servers=servers, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    try:
        records = [next(consumer), next(consumer)]
    finally:
        consumer.close(autocommit=False)
    for record, line in zip(records, told.splitlines(), strict=True):
        place = SourceOffset(record.topic, record.partition, record.offset)
        frame = Frame.from_record(
            place, key=record.key, value=record.value, headers=record.headers, timestamp_ms=record.timestamp
        )
        assert line == f"{frame.picture.decode()}: {place}"
        assert frame.camera_id == "desk"


def test_results_are_followed_once_each(settings: Settings) -> None:
    ensure_topics(settings)
    producer = Producer(settings)
    producer.start()
    try:
        sent = [producer.send(settings.topic_faces, None, partition=0)]
        for offset in (0, 0, 1):
            source = SourceOffset(settings.topic_frames, 0, offset)
            result = FacesRecord(
                source=source, camera_id="desk", frame_id=offset, captured_at=AT, detected_at=AT, status=Status.OK
            )
            sent.append(producer.send(settings.topic_faces, result.encode(), key=b"desk", partition=0))
        wait_for_all(sent)
    finally:
        producer.close()
    told = run(
        "follow", "--topic", settings.topic_faces, "--group", f"{settings.group_prefix}-follow", "--count", "2",
        KAFKA_BOOTSTRAP_SERVERS=settings.kafka_bootstrap_servers,
    )  # fmt: skip
    assert [line.split()[::2] for line in told.splitlines()] == [["desk", "ok"], ["desk", "ok"]]


def test_a_chat_is_that_of_the_page(settings: Settings) -> None:
    ensure_topics(settings)
    topic, servers = settings.topic_chat, settings.kafka_bootstrap_servers
    producer = Producer(settings)
    producer.start()
    try:
        wait_for_all([producer.send(topic, ChatMessage("from the page", "web").encode(AT))])
        wait_for_all([producer.send(topic, b"[]"), producer.send(topic, None)])
    finally:
        producer.close()
    told = run("say", "--sender", "desk", "--topic", topic, "hello", "über uns", KAFKA_BOOTSTRAP_SERVERS=servers)
    assert told.split() == [f"{topic}/0/3", f"{topic}/0/4"]
    arguments = ("listen", "--topic", topic, "--group", f"{settings.group_prefix}-listen", "--count")
    first = run(*arguments, "2", KAFKA_BOOTSTRAP_SERVERS=servers).splitlines()
    [last] = run(*arguments, "1", KAFKA_BOOTSTRAP_SERVERS=servers).splitlines()
    heard = [line.partition(" ")[2] for line in (*first, last)]
    assert heard == ["web: from the page", "desk: hello", "desk: über uns"]


@pytest.mark.parametrize(("status", "shown"), [(200, '"total_faces": 2'), (202, "/api/frames/uploads/0/17")])
def test_a_picture_is_asked_about(status: int, shown: str, tmp_path: Path) -> None:
    asked = {}

    class Web(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.update(path=self.path, key=self.headers["Authorization"])
            asked["body"] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"total_faces": 2, "url": "/api/frames/uploads/0/17"}).encode())

        def log_message(self, *_: object) -> None:
            pass

    picture = tmp_path / "photo.jpg"
    picture.write_bytes(b"picture")
    with HTTPServer(("127.0.0.1", 0), Web) as web:
        serving = threading.Thread(target=web.handle_request)
        serving.start()
        told = run(
            "ask", "--camera", "desk", "--wait", "1", str(picture),
            CROWDWATCH_URL=f"http://127.0.0.1:{web.server_port}", CROWDWATCH_KEY="cw_1_2",
        )  # fmt: skip
        serving.join()
    assert shown in told
    assert asked == {"path": "/api/frames?camera_id=desk&wait=1.0", "key": "Bearer cw_1_2", "body": b"picture"}
