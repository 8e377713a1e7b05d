"""`/api/uploads` and `/api/jobs`: what is taken, what is refused, and what comes of it."""

import csv
import io
import threading
from datetime import datetime, timedelta, timezone
from io import BytesIO

import cv2
import numpy as np
import pytest

from samples import CLIP
from storage.jobs import Jobs
from workers.jobs import JobsRole

PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def jpeg(shade: int = 90, size: tuple[int, int] = (48, 64)) -> bytes:
    return cv2.imencode(".jpg", np.full((*size, 3), shade, np.uint8))[1].tobytes()


def form(*files: tuple[str, bytes]) -> dict:
    data = {"file": [(BytesIO(content), name) for name, content in files]}
    return {"data": data, "content_type": "multipart/form-data"}


def test_pictures_become_a_job_with_results(web, settings, detector):
    client = web.client()
    answer = client.post("/api/uploads", **form(("=a.jpg", jpeg(10)), ("b.jpg", jpeg(20))))
    assert answer.status_code == 202 and answer.headers["Location"] == answer.json["url"]
    job = answer.json
    assert (job["state"], job["kind"], job["progress"]) == ("queued", "pictures", 0)
    role = JobsRole(settings)
    role.start()
    try:
        while client.get(job["url"]).json["frames"]["sent"] < 2:
            role.run(threading.Event(), count=1)
        with web.services.frames._readers.borrow() as reader:
            positions = {place: first for place, (first, _) in reader.bounds([settings.topic_frames]).items()}
            records, _ = reader.read_since(positions, 10)
        for record in records:
            frame_id = int(record.header("frame_id"))
            at = web.services.uploads.get(job["job_id"]).created_at
            result = detector.result(record.source, record.key.decode())
            changes = {"frame_id": frame_id, "captured_at": at}
            detector.store(type(result)(**{**vars(result), **changes}))
        while client.get(job["url"]).json["state"] != "done":
            role.run(threading.Event(), count=1)
    finally:
        role.close()
    done = client.get(job["url"]).json
    assert (done["progress"], done["frames"]) == (1.0, {"sent": 2, "done": 2, "expected": 2})
    assert client.get("/api/jobs").json["items"][0]["job_id"] == job["job_id"]
    items = client.get(job["results_url"]).json["items"]
    assert [one["file"] for one in items] == ["=a.jpg", "b.jpg"]
    saved = client.get(f"{job['results_url']}?format=csv")
    assert "attachment" in saved.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(saved.text)))
    assert [(row["file"], row["x"], row["width"]) for row in rows] == [("'=a.jpg", "1", "3"), ("b.jpg", "1", "3")]
    assert client.post(f"{job['url']}/cancel").status_code == 409


def test_a_video_is_stored_before_it_is_answered_and_can_be_cancelled(web, settings):
    client = web.client()
    answer = client.post("/api/uploads?filename=clip.mp4&fps=2", data=CLIP.read_bytes())
    assert answer.status_code == 202, answer.text
    job = answer.json
    assert job["kind"] == "video" and job["files"] == [{"name": "clip.mp4", "bytes": CLIP.stat().st_size}]
    stored: Jobs = web.services.uploads._jobs
    file = stored.get(job["job_id"]).files[0]
    assert stored.read_file(file.file_id) == CLIP.read_bytes()
    assert client.post(f"{job['url']}/cancel").json["state"] == "cancelled"
    assert stored.read_file(file.file_id) is None
    assert client.get("/api/jobs/none").status_code == 404


@pytest.mark.parametrize(
    "files, status",
    [
        ([("clip.mp4", PLAYLIST)], 415),
        ([("clip.m3u8", PLAYLIST)], 415),
        ([("list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n")], 415),
        ([("empty.jpg", b"")], 415),
        ([("half.jpg", jpeg()[:20])], 415),
        ([("a.jpg", jpeg()), ("clip.mp4", b"\0\0\0\x18ftypmp42")], 400),
        ([], 400),
    ],
)
def test_what_is_neither_picture_nor_video_is_refused_and_leaves_nothing(web, settings, files, status):
    answer = web.client().post("/api/uploads", **form(*files))
    assert answer.status_code == status, answer.text
    database = web.services.uploads._jobs._database
    assert database["uploads.files"].count_documents({}) == database["uploads.chunks"].count_documents({}) == 0
    assert database.jobs.count_documents({}) == 0


def test_the_time_of_an_upload_is_kept_and_none_that_cannot_be_right_is_taken(web):
    client = web.client()
    job = client.post("/api/uploads?captured_at=2026-01-02T03:04:05%2B01:00", data=jpeg()).json
    assert job["captured_at"] == "2026-01-02T02:04:05.000Z"
    assert web.services.uploads.get(job["job_id"]).captured_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=timezone.utc)
    assert client.post("/api/uploads", data=jpeg()).json["captured_at"] is None
    ahead = (datetime.now(timezone.utc) + timedelta(minutes=1)).isoformat()
    for wrong, reason in ((ahead, "in the future"), ("1999-12-31T23:59:59Z", "before 2000"), ("noon", "RFC 3339")):
        answer = client.post("/api/uploads", query_string={"captured_at": wrong}, data=jpeg())
        assert answer.status_code == 400 and reason in answer.json["error"]["message"], answer.text


def test_what_is_too_large_is_refused(start_web):
    small = start_web(max_upload_mib=1, max_picture_bytes=2000, max_picture_pixels=10_000).client()
    assert small.post("/api/uploads", data=b"\0\0\0\x18ftypmp42" + bytes(3 * 1024 * 1024)).status_code == 413
    assert small.post("/api/uploads", **form(("a.jpg", jpeg() + bytes(3000)))).status_code == 413
    assert small.post("/api/uploads", **form(("a.jpg", jpeg(size=(200, 200))))).status_code == 413


def test_a_captured_camera_takes_no_upload(web):
    client = web.client()
    client.put("/api/cameras/gate-1", json={"source": {"url": "rtsp://camera.example/live"}})
    assert client.post("/api/uploads?camera_id=gate-1", data=jpeg()).status_code == 409
    assert client.post("/api/uploads?camera_id=gate-2", data=jpeg()).json["camera_id"] == "gate-2"
