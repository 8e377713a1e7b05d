"""Kafka's log lost and MongoDB kept, as those see it who ask over HTTP: no answer is about another picture."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from kafka import KafkaAdminClient

from contracts.faces import Status
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.client import common_config
from messaging.log_ids import CurrentLogs
from storage.client import connect
from storage.source_logs import SourceLogs


def _jpeg(grey):
    return cv2.imencode(".jpg", np.full((48, 64, 3), grey, np.uint8))[1].tobytes()


OLD, NEW = _jpeg(60), _jpeg(200)


@pytest.fixture
def make_anew(settings):
    """Delete topics and make them again; no sink runs, so that MongoDB stays as it is."""

    def make(*topics):
        admin = KafkaAdminClient(**common_config(settings, "test"))
        admin.delete_topics(list(topics))
        deadline = time.monotonic() + 30
        while set(topics) & set(admin.list_topics()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        admin.close()
        ensure_topics(settings)

    return make


@pytest.fixture
def log_id(settings):
    logs = CurrentLogs(settings, (settings.topic_frames, settings.topic_uploads))
    yield lambda: logs.ask()[settings.topic_uploads]
    logs.close()


def _sent(web):
    answer = web.client().post("/api/frames?camera_id=gate-1", data=OLD)
    assert answer.status_code == 202
    topic, partition, offset = answer.json["id"].rsplit("/", 2)
    return answer.json["url"], SourceOffset(topic, int(partition), int(offset))


def test_a_place_in_the_new_log_is_another_frame(web, detector, settings, make_anew, log_id):
    url, source = _sent(web)
    client, old_id = web.client(), log_id()
    old = replace(detector.result(source, faces=3), log_id=old_id)
    detector.publish(old)
    detector.store(old)
    assert client.get(url).json == old.to_dict()
    assert client.get(f"{url}/picture").data == OLD
    web.wait_until(lambda: web.sample("crowdwatch_web_results_followed_total") == 1)

    make_anew(settings.topic_uploads)
    assert client.get(url).status_code == 404, "nothing was written there"
    assert client.get(f"{url}/picture").status_code == 404
    assert client.post("/api/frames?camera_id=gate-1", data=NEW).json["url"] == url
    assert client.get(url).status_code == 202, "the old result is still stored there"
    assert client.get(f"{url}/picture").data == NEW
    assert client.get(f"{url}?log_id={old_id}").json == old.to_dict()
    assert client.get(f"{url}/picture?log_id={old_id}").data == OLD, "kept in memory, under its own log"
    web.services.previews._kept.clear()
    assert client.get(f"{url}/picture?log_id={old_id}").status_code == 404
    assert client.get(f"{url}?log_id=never").status_code == 404
    assert client.get("/api/cameras/gate-1/snapshot").status_code == 404, "the newest result is of the old log"

    failed = replace(detector.result(source, faces=0), status=Status.FAILED, error="broken", log_id=log_id())
    with connect(settings) as mongo:
        mongo[settings.mongodb_database].DetectedFaces.delete_many({})  # as when it is set aside
    detector.store(failed)
    assert client.get(url).json == failed.to_dict()


def test_whoever_waits_gets_no_result_of_the_old_log(web, detector, settings, make_anew, log_id):
    """The old result is in MongoDB and in memory, in the place where the new picture comes to lie."""
    url, source = _sent(web)
    old = replace(detector.result(source, faces=3), log_id=log_id())
    detector.publish(old)
    detector.store(old)
    web.wait_until(lambda: web.sample("crowdwatch_web_results_followed_total") == 1)
    make_anew(settings.topic_uploads)

    new = replace(old, faces=(), status=Status.FAILED, error="broken", log_id=log_id())
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(web.client().post, "/api/frames?camera_id=gate-1&wait=20", data=NEW)
        time.sleep(1.5)
        assert not waiting.done(), waiting.result().json
        detector.publish(new)
        answer = waiting.result()
    assert answer.headers["Location"] == url
    assert (answer.status_code, answer.json) == (200, new.to_dict()), "a failure of the new log is seen"


def test_results_without_an_id_are_of_the_first_log(web, detector, settings, make_anew, log_id):
    url, source = _sent(web)
    with connect(settings) as mongo:
        SourceLogs(mongo, settings).begin(settings.topic_uploads, log_id())
    old = detector.result(source, faces=3)
    detector.store(old)
    assert web.client().get(url).json == old.to_dict()
    make_anew(settings.topic_uploads)
    assert web.client().get(url).status_code == 404


@pytest.mark.parametrize("before", [1, 30])
def test_a_client_begins_anew_in_a_new_log(web, settings, make_anew, before):
    """Whether the old offset is higher than the new log's end, or lower."""
    client, path = web.client(), f"/receive?client=a&topics={settings.topic_chat}"

    def say(*texts):
        for text in texts:
            sent = client.post("/send", json={"content": text, "sender": "me"})
            assert sent.status_code == 202

    def hear():
        heard = []
        while found := client.get(path).json["messages"]:
            heard += [one["value"]["content"] for one in found]
        return heard

    say(*(f"old {number}" for number in range(before)))
    assert len(hear()) == before
    make_anew(settings.topic_chat)
    say(*(f"new {number}" for number in range(5)))
    assert hear() == [f"new {number}" for number in range(5)]
    assert hear() == []
