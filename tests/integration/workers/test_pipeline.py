"""Frames in, documents out, through real processes: what the foundation promises."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from contracts.faces import FacesRecord, Status
from contracts.frames import FrameHeaders
from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import QUEUE_DETECT, QUEUE_DETECT_GPU
from messaging.admin import ensure_topics
from messaging.tasks import TaskQueue
from samples import CLIP
from tests.integration.workers.conftest import wait_for_count
from tests.integration.workers.test_metrics import metrics_of, total
from workers.bridge.role import Bridge

FIELDS = {
    "_id",
    "frame_id",
    "total_faces",
    "faces",
    "camera_id",
    "captured_at",
    "detected_at",
    "image",
    "model",
    "status",
    "error",
    "inference_ms",
    "source",
    "origin",
    "received_at",
    "claimed_at",
    "log_id",
    "expires_at",
    "schema_version",
}


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """Forty frames of the sample clip, as JPEG."""
    capture = cv2.VideoCapture(str(CLIP))
    found = []
    for _ in range(40):
        _, frame = capture.read()
        found.append(cv2.imencode(".jpg", cv2.resize(frame, (640, 360)))[1].tobytes())
    capture.release()
    return found


def _send(producer, topic, pictures: Sequence[bytes], count, **keywords) -> list[SourceOffset]:
    sent = [producer.send(topic, pictures[number % len(pictures)], **keywords) for number in range(count)]
    places = [future.get(60) for future in sent]
    return [SourceOffset(place.topic, place.partition, place.offset) for place in places]


def test_a_foreign_producer_gets_a_document_for_each_frame(fleet, documents, foreign, pictures, settings):
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    first = _send(foreign, settings.topic_frames, pictures, 200)
    wait_for_count(documents, 200)
    second = _send(foreign, settings.topic_frames, pictures, 200)
    wait_for_count(documents, 400)
    assert {document["_id"] for document in documents.find()} == {str(place) for place in first + second}
    for document in documents.find():
        assert set(document) == FIELDS
        assert document["status"] == "ok"
        assert document["camera_id"] == f"camera-{document['source']['partition']}"
        assert document["frame_id"] == document["source"]["offset"]
        assert document["image"] == {"width": 640, "height": 360}
        assert document["total_faces"] == len(document["faces"])
    assert documents.count_documents({"total_faces": {"$gt": 0}}) > 100, "the sample shows faces"
    before = {document["_id"]: document for document in documents.find()}
    for role in ("sink", "bridge"):
        fleet.kill(role)
    fleet.start("bridge", "sink")
    time.sleep(12)  # a killed member's partitions come free, and everything uncommitted is read again
    assert {document["_id"]: document for document in documents.find()} == before
    assert fleet.stop() == {"bridge": 0, "worker": 0, "sink": 0}


@pytest.mark.parametrize("victim", ["worker", "bridge", "sink"])
def test_a_killed_role_loses_and_doubles_nothing(fleet, documents, foreign, pictures, settings, victim):
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    wait_for_count(documents, 0)
    sent = _send(foreign, settings.topic_frames, pictures, 500)
    while documents.count_documents({}) < 40:
        time.sleep(0.05)
    fleet.kill(victim)
    assert documents.count_documents({}) < 500, "it was killed while frames were in flight"
    fleet.start(victim)
    wait_for_count(documents, 500)
    assert {document["_id"] for document in documents.find()} == {str(place) for place in sent}
    assert documents.count_documents({"status": "ok"}) == 500


def test_an_emptied_redis_loses_nothing(fleet, documents, foreign, pictures, settings):
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushdb()  # what the tests before this one have left is none of its tasks
    fleet.start("bridge", "sink")
    fleet.wait_for("owning partitions", "bridge")
    sent = _send(foreign, settings.topic_frames, pictures, 60)
    with redis.Redis.from_url(settings.redis_url) as client:
        while client.llen("detect") == 0:
            time.sleep(0.05)
        client.flushdb()
    fleet.start("worker")
    wait_for_count(documents, 60)
    assert {document["_id"] for document in documents.find()} == {str(place) for place in sent}
    said = fleet.log("bridge")
    assert "Redis was emptied" in said or "planning it again" in said
    if said.count("owning partitions") == 1:  # a rebalance in between begins anew, and calls nothing lost
        assert "planning it again" in said
        assert total(metrics_of(fleet, "bridge"), "crowdwatch_bridge_tasks_lost_total") >= 1


def _huge_picture() -> bytes:
    """A JPEG of 20,000 x 20,000 pixels: written small, its header changed."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (20_000).to_bytes(2, "big") * 2
    return bytes(data)


def test_bad_frames_fail_with_a_reason_and_harm_no_neighbour(fleet, documents, foreign, pictures, settings):
    one_pixel = cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes()
    really_huge = cv2.imencode(".png", np.zeros((20_000, 20_000), np.uint8))[1].tobytes()
    bad = {
        "truncated": pictures[0][: len(pictures[0]) // 2],
        "empty": b"",
        "text": b"Dear Sir or Madam,\n" * 20,
        "huge": _huge_picture(),
        "huge png": really_huge,
    }
    frames = [pictures[0]]
    for value in [*bad.values(), one_pixel]:
        frames += [value, pictures[1]]
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    sent = [foreign.send(settings.topic_frames, value, partition=0) for value in frames]
    null = foreign.send(settings.topic_frames, None, key=b"null", partition=0)
    odd = [("captured_at", b"0001-01-01T00:00:00+14:00")]
    foreign.send(settings.topic_frames, pictures[0], key=b"odd", partition=0, headers=odd).get(60)
    squeezed = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), compression_type="gzip", max_request_size=2**26
    )
    squeezed.send(settings.topic_frames, bytes(settings.max_picture_bytes + 2**22), key=b"big", partition=0).get(60)
    squeezed.close()
    places = [future.get(60).offset for future in sent]
    wait_for_count(documents, len(frames) + 3)
    assert documents.find_one({"camera_id": "odd"})["status"] == "ok"
    assert "allowed" in documents.find_one({"camera_id": "big"})["error"]
    by_offset = {document["source"]["offset"]: document for document in documents.find()}
    for index, what in enumerate(bad):
        document = by_offset[places[1 + 2 * index]]
        assert document["status"] == "failed", what
        assert len(document["error"]) > 10, what
    assert "20000" in by_offset[places[7]]["error"].replace(",", "").replace("_", "")
    assert by_offset[null.get(60).offset]["status"] == "failed"
    small = by_offset[places[-2]]
    assert (small["status"], small["total_faces"], small["image"]) == ("ok", 0, {"width": 1, "height": 1})
    assert all(by_offset[places[index]]["status"] == "ok" for index in range(0, len(frames), 2))
    dead = _read_all(settings, settings.topic_dead)
    assert {record.value or b"" for record in dead} == {*bad.values()}
    assert b"dropped_bytes" not in dict(dead[0].headers)
    assert [dict(record.headers)["dropped_bytes"] for record in dead if record.key == b"big"] == [b"20971520"]
    headers = [dict(record.headers) for record in dead]
    assert all(entry["error"] and entry["attempts"] == b"1" for entry in headers)


def test_a_frame_older_than_its_source_allows_is_skipped_and_counted(fleet, documents, foreign, pictures, settings):
    headers = FrameHeaders(frame_id=1, max_age_ms=1).encode()
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    foreign.send(settings.topic_frames, pictures[0], key=b"gate", headers=headers).get(60)
    wait_for_count(documents, 1)
    document = documents.find_one()
    assert (document["status"], document["camera_id"], document["total_faces"]) == ("skipped", "gate", 0)
    assert "1 ms" in document["error"]


def test_results_settle_their_offsets_on_the_partition_of_their_source(fleet, documents, foreign, pictures, settings):
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    for partition in range(settings.partitions):
        _send(foreign, settings.topic_frames, pictures, 5, partition=partition)
    foreign.send(settings.topic_faces, b"rubbish", partition=0).get(60)
    wait_for_count(documents, 5 * settings.partitions)
    settled = set()
    for record in _read_all(settings, settings.topic_faces):
        if record.value == b"rubbish":
            continue
        offsets = OffsetRange.decode(dict(record.headers)["settles"])
        result = FacesRecord.decode(record.value)
        assert result.status is Status.OK
        assert result.source.partition == record.partition
        settled |= {(record.partition, offset) for offset in range(offsets.start, offsets.stop)}
    assert settled == {(partition, offset) for partition in range(settings.partitions) for offset in range(5)}
    deadline = time.monotonic() + 20
    while not (dead := _read_all(settings, settings.topic_dead)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [record.value for record in dead] == [b"rubbish"], "what is no result is put aside, with the reason"
    deadline = time.monotonic() + 20
    while total(metrics_of(fleet, "sink"), "crowdwatch_sink_refused_total") != 1:
        assert time.monotonic() < deadline, "it is counted, too"
        time.sleep(0.2)


def test_an_upload_whose_task_never_came_is_adopted(fleet, documents, foreign, pictures, settings):
    fleet.start("bridge", "worker", "sink")
    fleet.wait_for("owning partitions", "bridge")
    _send(foreign, settings.topic_uploads, pictures, 3)
    wait_for_count(documents, 3)
    assert {document["source"]["topic"] for document in documents.find()} == {settings.topic_uploads}


def test_a_bridge_that_is_stopped_commits_its_watermark(settings):
    ensure_topics(settings)
    stop = threading.Event()
    bridge = Bridge(settings)
    bridge.start()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bridge.run, stop)
        deadline = time.monotonic() + 30
        while not bridge.ready()["redis"] and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        stop.set()
        running.result(30)
    bridge.close()
    assert bridge.ready() == {"kafka": True, "redis": True}


def _read_all(settings, topic):
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), group_id=None, enable_auto_commit=False
    )
    try:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(places)
        records = []
        while any(consumer.position(place) < ends[place] for place in places):
            records += [record for batch in consumer.poll(500).values() for record in batch]
        return records
    finally:
        consumer.close()


def test_what_waits_for_a_gpu_that_has_gone_is_done_by_the_cpus(fleet, documents, foreign, pictures, settings):
    tasks = TaskQueue(settings)
    tasks.announce(QUEUE_DETECT_GPU)
    fleet.start("bridge", "sink")
    fleet.wait_for("owning partitions", "bridge")
    tasks.announce(QUEUE_DETECT_GPU)
    _send(foreign, settings.topic_frames, pictures, 100, key=b"gate")
    deadline = time.monotonic() + 10
    while not (tasks.length(QUEUE_DETECT_GPU) and tasks.length(QUEUE_DETECT)):
        assert time.monotonic() < deadline, "the GPU's queue is filled first, and the rest overflows"
        time.sleep(0.1)
    fleet.start("worker")
    wait_for_count(documents, 100)
    assert documents.count_documents({"status": "ok"}) == 100
    assert tasks.length(QUEUE_DETECT_GPU) == 0
    tasks.close()


def test_offsets_without_a_record_are_settled_too(fleet, documents, pictures, settings):
    """A transaction leaves a marker in the log, which is no frame and never will be."""
    ensure_topics(settings)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), transactional_id=settings.group_prefix
    )
    producer.init_transactions()
    for end in (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        for future in [producer.send(settings.topic_frames, picture, partition=1) for picture in pictures[:5]]:
            future.get(30)
        end()
    producer.close()
    fleet.start("bridge", "worker", "sink")
    wait_for_count(documents, 10)
    place = TopicPartition(settings.topic_frames, 1)
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","), group_id=f"{settings.group_prefix}-bridge"
    )
    try:
        end, deadline = consumer.end_offsets([place])[place], time.monotonic() + 30
        assert end == 18, "three times five frames and a marker"
        while consumer.committed(place) != end:
            assert time.monotonic() < deadline, f"the watermark stands at {consumer.committed(place)}, before {end}"
            time.sleep(0.3)
    finally:
        consumer.close()
