import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.frames import FrameHeaders, Origin
from contracts.offsets import OffsetRange, SourceOffset
from contracts.tasks import QUEUE_INTERACTIVE
from messaging.reader import LogReader
from messaging.tasks import TaskQueue

JPEG = b"\xff\xd8\xff\xe0 stands for a picture"


def _source(answer):
    topic, partition, offset = answer.json["id"].split("/")
    return SourceOffset(topic, int(partition), int(offset))


def test_a_picture_goes_into_the_log_with_a_task_and_its_result_is_found(web, settings, detector):
    client = web.client()
    answer = client.post("/api/frames?camera_id=gate-1", data=JPEG, content_type="image/jpeg")
    source = _source(answer)
    assert answer.status_code == 202
    assert source.topic == settings.topic_uploads
    assert answer.json == {"id": str(source), "url": f"/api/frames/{source}"}
    assert answer.headers["Location"].endswith(answer.json["url"])

    reader = LogReader(settings)
    reader.start()
    (record,) = reader.read_range(source.topic, source.partition, OffsetRange(source.offset, source.offset + 1)).records
    reader.close()
    assert (record.key, record.value) == (b"gate-1", JPEG)
    headers = FrameHeaders.decode(record.headers)
    assert (headers.origin, headers.content_type, headers.frame_id) == (Origin.API, "image/jpeg", None)
    assert abs(time.time() - headers.captured_at.timestamp()) < 60
    tasks = TaskQueue(settings)
    web.wait_until(lambda: tasks.length(QUEUE_INTERACTIVE) == 1)
    tasks.close()

    pending = client.get(answer.json["url"])
    assert pending.status_code == 202
    assert pending.json["status"] == "pending"
    result = detector.result(source)
    detector.store(result)
    found = client.get(answer.json["url"])
    assert (found.status_code, found.json) == (200, result.to_dict())
    picture = client.get(f"{answer.json['url']}/picture")
    assert (picture.data, picture.mimetype) == (JPEG, "image/jpeg")
    assert picture.headers["Cache-Control"] == "private, no-cache", "the next log may have another picture here"
    log_id = _log_id(settings, settings.topic_uploads)
    picture = client.get(f"{answer.json['url']}/picture?log_id={log_id}")
    assert picture.data == JPEG
    assert "immutable" in picture.headers["Cache-Control"]
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert web.sample("crowdwatch_web_pictures_total") == 1


def test_forms_and_bytes_that_are_no_picture_are_taken_too(web):
    client = web.client()
    for field in ("file", "frame", "other"):
        answer = client.post("/api/frames", data={field: (io.BytesIO(b"text"), "a.txt"), "note": "x"})
        assert answer.status_code == 202
        picture = client.get(f"{answer.json['url']}/picture")
        assert picture.status_code == 415
        assert picture.json["error"]["code"] == "unsupported_type"


def test_frames_that_were_never_written(web, settings):
    client = web.client()
    for place in (
        f"{settings.topic_frames}/0/0",
        f"{settings.topic_uploads}/0/99999999",
        f"{settings.topic_uploads}/2147483648/0",
        f"{settings.topic_frames}/{settings.partitions}/0",
        f"{settings.topic_chat}/0/0",
        "nothing/0/0",
    ):
        for path in (f"/api/frames/{place}", f"/api/frames/{place}/picture"):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert answer.json["error"]["code"] == "not_found"


def test_the_result_of_another_detector_is_found(web, detector):
    result = detector.result(SourceOffset("other-detector", 0, 5))
    detector.store(result)
    assert web.client().get("/api/frames/other-detector/0/5").json == result.to_dict()
    assert web.client().get("/api/frames/other-detector/0/5/picture").status_code == 404


def test_whoever_waits_gets_the_first_result_as_soon_as_it_comes(web, detector, settings):
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(web.client().post, "/api/frames?wait=60", data=JPEG)
        source = SourceOffset(settings.topic_uploads, *_only_place(web, settings))
        time.sleep(0.3)
        started_s = time.monotonic()
        first = detector.result(source, faces=3)
        detector.publish(first)
        detector.publish(replace(first, faces=()))
        answer = waiting.result()
    assert time.monotonic() - started_s < 50
    first = replace(first, log_id=_log_id(settings, settings.topic_uploads))
    assert (answer.status_code, answer.json) == (200, first.to_dict())
    assert answer.headers["Location"] == f"/api/frames/{source}"


def test_whoever_waits_gets_a_result_that_came_past_the_log(web, detector, settings):
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(web.client().post, "/api/frames?wait=60", data=JPEG)
        result = detector.result(SourceOffset(settings.topic_uploads, *_only_place(web, settings)))
        detector.store(result)
        assert waiting.result().json == result.to_dict()


def test_waiting_in_vain_and_stopping_both_answer_where_the_result_will_be(web):
    answer = web.client().post("/api/frames?wait=0.2", data=JPEG)
    assert answer.status_code == 202
    assert answer.json["url"] in answer.headers["Location"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(web.client().post, "/api/frames?wait=60", data=JPEG)
        time.sleep(0.5)
        web.services.stopping.set()
        assert waiting.result(timeout=50).status_code == 202


def test_lists_go_newest_first_page_by_page(web, detector, settings):
    results = [
        detector.result(
            SourceOffset(settings.topic_frames, 0, offset), camera_id=f"gate-{offset % 2}", second=offset // 3
        )
        for offset in range(9)
    ]
    detector.store(*results)
    client, seen, query = web.client(), [], "limit=4"
    while query:
        page = client.get(f"/api/frames?{query}").json
        seen += page["items"]
        query = f"limit=4&cursor={page['next']}" if page["next"] else None
    assert seen == [result.to_dict() for result in reversed(results)]
    camera = client.get("/api/frames?camera=gate-1").json
    assert [item["source"]["offset"] for item in camera["items"]] == [7, 5, 3, 1]
    assert camera["next"] is None


@pytest.mark.acts("name", "venue")
def test_the_overview_shows_the_newest_of_each_camera(web, detector, settings):
    assert web.client().get("/overview.json").json["cameras"] == []
    now = web.services.overview._now()
    for offset in range(6):
        result = detector.result(
            SourceOffset(settings.topic_frames, 0, offset), camera_id=f"gate-{offset % 2}", faces=offset
        )
        detector.store(replace(result, captured_at=now, detected_at=now))
    web.client().put("/api/cameras/gate-1", json={"name": "North gate", "venue": "Arena"})
    old = detector.result(SourceOffset("other-detector", 0, 0), camera_id="old")
    detector.store(old)
    time.sleep(1)
    shown = web.client().get("/overview.json").json
    assert shown["totals"] == {"faces_now": 9, "live_cameras": 2, "cameras": 3, "frames": 7}
    cameras = {camera["camera_id"]: camera for camera in shown["cameras"]}
    assert [camera["state"] for camera in shown["cameras"]] == ["live", "live", "quiet"]
    assert cameras["gate-1"]["result"]["source"]["offset"] == 5
    assert cameras["gate-1"]["has_picture"]
    assert (cameras["gate-1"]["name"], cameras["gate-1"]["venue"]) == ("North gate", "Arena")
    assert cameras["old"] == {
        "camera_id": "old",
        "name": "",
        "venue": None,
        "state": "quiet",
        "has_picture": False,
        "result": old.to_dict(),
        "trend": [],
    }


def test_the_overview_shows_what_came_last_of_a_camera_whose_clock_was_set_back(web, detector, settings):
    now = web.services.overview._now()
    for offset, ahead_s in enumerate((240, 240.2, -3600)):
        result = detector.result(SourceOffset(settings.topic_frames, 0, offset), camera_id="gate-1")
        captured_at, received_at = now + timedelta(seconds=ahead_s), now - timedelta(seconds=3 - offset)
        detector.store(replace(result, captured_at=captured_at, received_at=received_at, detected_at=now))
    time.sleep(1)
    [camera] = web.client().get("/overview.json").json["cameras"]
    assert (camera["result"]["source"]["offset"], camera["state"]) == (2, "live")


def _only_place(web, settings):
    """Partition and offset of the one picture that was sent, once it is in the log."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        with web.services.frames._readers.borrow() as reader:
            for (_, partition), (_, end) in reader.bounds([settings.topic_uploads]).items():
                if end:
                    return partition, end - 1
        time.sleep(0.05)
    raise AssertionError("no picture came")


def _log_id(settings, topic):
    reader = LogReader(settings)
    reader.start(topics=[topic])
    log_id = reader.log_id(topic)
    reader.close()
    assert log_id
    return log_id
