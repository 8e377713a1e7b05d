"""Uploads become jobs, and their frames are in the log exactly once, whatever is killed."""

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from io import BytesIO

import cv2
import numpy as np
import pytest
from bson import ObjectId
from kafka import KafkaConsumer, TopicPartition
from prometheus_client import REGISTRY

from contracts.errors import PictureError
from contracts.faces import FacesRecord, Status
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from messaging.admin import ensure_topics
from messaging.producer import Producer
from samples import CLIP
from settings import Settings
from storage.client import connect
from storage.jobs import Job, Jobs, JobState
from storage.results import Results
from workers import job_sending
from workers.job_sending import WITHOUT_RESULT_AT_MOST, JobSender, Stopped
from workers.jobs import JobsRole
from workers.video_process import VideoProcess

SLACK = timedelta(milliseconds=2)
NOW = datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc)


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    client = connect(settings)
    yield Jobs(client, settings)
    client.drop_database(settings.mongodb_database)
    client.close()


def add_job(
    jobs: Jobs,
    *contents: bytes,
    is_video: bool = False,
    fps: float = 5.0,
    job_id: str = "job",
    camera_id: str | None = None,
    captured_at: datetime | None = None,
) -> Job:
    files = tuple(jobs.store_file(f"{number}", BytesIO(data)) for number, data in enumerate(contents))
    camera_id = camera_id or f"upload-{job_id}"
    job = Job(job_id, camera_id, NOW, 1000, files, is_video, fps, captured_at=captured_at)
    jobs.add(job)
    return job


def jpeg(shade: int) -> bytes:
    return cv2.imencode(".jpg", np.full((48, 64, 3), shade, np.uint8))[1].tobytes()


def frames_of(settings: Settings) -> list[tuple[SourceOffset, bytes, bytes, FrameHeaders]]:
    """All that is in the topic of frames."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","), group_id=None)
    try:
        places = [TopicPartition(settings.topic_frames, number) for number in range(settings.partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning()
        ends, found = consumer.end_offsets(places), []
        while len(found) < sum(ends.values()):
            for records in consumer.poll(timeout_ms=500).values():
                for one in records:
                    source = SourceOffset(one.topic, one.partition, one.offset)
                    found.append((source, one.key, one.value, FrameHeaders.decode(one.headers)))
        return found
    finally:
        consumer.close()


def answer_all(settings: Settings) -> None:
    """Store a result for each frame in the log."""
    client = connect(settings)
    Results(client, settings).replace_many(
        FacesRecord(source, key.decode(), headers.frame_id, headers.captured_at, NOW, Status.OK)
        for source, key, _, headers in frames_of(settings)
    )
    client.close()


def wait_for(jobs: Jobs, job_id: str, accept, timeout_s: float = 40.0) -> Job:
    deadline = time.monotonic() + timeout_s
    while not accept(job := jobs.get(job_id)):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def jobs_ended(state: JobState) -> float:
    """Return how many jobs the role has counted as ended so."""
    return REGISTRY.get_sample_value("crowdwatch_jobs_ended_total", {"state": state.value}) or 0.0


def test_pictures_a_video_and_what_is_none_go_their_ways(settings: Settings, jobs: Jobs) -> None:
    pictures = [jpeg(shade) for shade in (10, 20, 30)]
    add_job(jobs, *pictures, job_id="pictures")
    add_job(jobs, CLIP.read_bytes(), is_video=True, fps=2.0, job_id="video")
    add_job(jobs, b"\x00\x00\x00\x18ftypmp42#EXTM3U\nfile:///etc/passwd\n", is_video=True, job_id="none")
    ended_before = {state: jobs_ended(state) for state in (JobState.DONE, JobState.FAILED)}
    role, stop = JobsRole(settings), threading.Event()
    role.start()
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    try:
        failed = wait_for(jobs, "none", lambda job: job.state is JobState.FAILED)
        assert "cannot read" in failed.error and "/tmp" not in failed.error
        for name in ("pictures", "video"):
            wait_for(jobs, name, lambda job: job.total is not None)
        assert wait_for(jobs, "video", lambda job: True).state is JobState.RUNNING, "no result is there yet"
        answer_all(settings)
        done = wait_for(jobs, "pictures", lambda job: job.state is JobState.DONE)
        assert [record.frame_id for record in jobs.results(done)] == [1000, 1001, 1002]
        video = wait_for(jobs, "video", lambda job: job.state is JobState.DONE)
    finally:
        stop.set()
        thread.join()
        role.close()
    assert jobs_ended(JobState.FAILED) == ended_before[JobState.FAILED] + 1
    assert jobs_ended(JobState.DONE) == ended_before[JobState.DONE] + 2
    found = frames_of(settings)
    assert [value for _, key, value, _ in found if key == b"upload-pictures"] == pictures
    ids = [headers.frame_id for _, key, _, headers in found if key == b"upload-video"]
    assert ids == [1000 + number for number in range(video.total)]
    assert abs(video.expected - video.total) <= 1
    assert jobs.read_file(video.files[0].file_id) is None, "nothing is kept beyond its use"


def test_a_killed_job_goes_on_where_the_log_ends(fleet, settings: Settings, jobs: Jobs) -> None:
    count = 2 * WITHOUT_RESULT_AT_MOST  # so many are not sent before results come: it is killed in the middle
    job = add_job(jobs, jpeg(1), is_video=False)
    jobs.change("job", files=[{"file_id": job.files[0].file_id, "name": str(at), "size": 1} for at in range(count)])
    ensure_topics(settings)
    fleet.start("jobs")
    wait_for(jobs, "job", lambda job: len(frames_of(settings)) > 50)
    fleet.kill("jobs")
    assert 50 < len(frames_of(settings)) < count and jobs.get("job").total is None
    fleet.start("jobs")
    deadline = time.monotonic() + 120
    while (total := jobs.get("job").total) is None:
        assert time.monotonic() < deadline, jobs.get("job")
        answer_all(settings)
    assert total == count
    headers = [headers for _, _, _, headers in frames_of(settings)]
    assert [one.frame_id for one in headers] == [1000 + number for number in range(count)], "each once, in order"
    assert headers[-1].captured_at == NOW
    steps = {(after.captured_at - before.captured_at) for before, after in itertools.pairwise(headers)}
    assert steps == {timedelta(milliseconds=1)}, "dated by the same beginning after the kill"


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    ensure_topics(settings)
    producer = Producer(settings)
    producer.start()
    yield producer
    producer.close()


def times_of(settings: Settings, job: Job) -> list[datetime]:
    return [headers.captured_at for _, key, _, headers in frames_of(settings) if key == job.camera_id.encode()]


def lying_clip(seconds: int) -> bytes:
    """The sample, whose container says that it is so long."""
    data = bytearray(CLIP.read_bytes())
    for box, timescale, duration in ((b"mvhd", 12, 16), (b"mdhd", 12, 16), (b"tkhd", None, 20)):
        at = data.index(box) + 4
        assert data[at] == 0, "version 0, ISO 14496-12"
        scale = 1000 if timescale is None else int.from_bytes(data[at + timescale : at + timescale + 4], "big")
        data[at + duration : at + duration + 4] = (seconds * scale).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("captured_at", "starts_at"),
    [
        (None, None),
        (NOW - timedelta(days=400), NOW - timedelta(days=400)),
        (NOW - timedelta(seconds=2), None),
    ],
    ids=["not given", "given", "given too late"],
)
@pytest.mark.parametrize("says_s", [None, 1, 3600], ids=["honest", "says 1 s", "says an hour"])
def test_an_upload_ends_when_it_was_uploaded_or_starts_when_its_uploader_says(
    settings: Settings, jobs: Jobs, producer: Producer, captured_at: datetime | None, starts_at, says_s: int | None
) -> None:
    clip = CLIP.read_bytes() if says_s is None else lying_clip(says_s)
    job = add_job(jobs, clip, is_video=True, fps=2.0, captured_at=captured_at)
    assert JobSender(settings, jobs, producer, job, threading.Event()).run() == 48
    times = times_of(settings, job)
    assert times == sorted(times) and times[-1] - times[0] == pytest.approx(timedelta(seconds=23.5), abs=SLACK)
    if starts_at is None:
        assert NOW - timedelta(seconds=1) < times[-1] <= NOW
    else:
        assert times[0] == starts_at
    assert jobs.get("job").first_at == times[0]


def test_pictures_end_when_they_were_uploaded_or_start_when_their_uploader_says(
    settings: Settings, jobs: Jobs, producer: Producer
) -> None:
    given = NOW - timedelta(days=1)
    for name, captured_at, first in (("a", None, NOW - timedelta(milliseconds=2)), ("b", given, given)):
        job = add_job(jobs, *[jpeg(number) for number in range(3)], job_id=name, captured_at=captured_at)
        JobSender(settings, jobs, producer, job, threading.Event()).run()
        assert times_of(settings, job) == [first + timedelta(milliseconds=number) for number in range(3)]


def test_a_video_that_is_resumed_dates_its_frames_as_before(
    settings: Settings, jobs: Jobs, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = add_job(jobs, CLIP.read_bytes(), is_video=True, job_id="whole")
    JobSender(settings, jobs, producer, whole, threading.Event()).run()
    cut = add_job(jobs, CLIP.read_bytes(), is_video=True, job_id="cut")
    monkeypatch.setattr(job_sending, "_NOTE_EVERY_S", 0.0)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Stopped):
        JobSender(settings, jobs, producer, cut, stop).run()
    producer.flush(10)
    assert 0 < len(times_of(settings, cut)) < 120
    jobs.change("cut", touched_at=NOW - timedelta(days=3), sent=0, place=None)  # killed before it noted any
    JobSender(settings, jobs, producer, jobs.get("cut"), threading.Event()).run()
    assert times_of(settings, cut) == times_of(settings, whole)


def test_uploads_of_one_camera_at_the_same_moment_are_kept_apart(settings: Settings, jobs: Jobs) -> None:
    for name in ("a", "b"):
        add_job(jobs, *[jpeg(number) for number in range(3)], job_id=name, camera_id="gate")
    role, stop = JobsRole(settings), threading.Event()
    role.start()
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    try:
        for name in ("a", "b"):
            wait_for(jobs, name, lambda job: job.total is not None)
        answer_all(settings)
        done = [wait_for(jobs, name, lambda job: job.state is JobState.DONE) for name in ("a", "b")]
    finally:
        stop.set()
        thread.join()
        role.close()
    ids = [{record.frame_id for record in jobs.results(job)} for job in done]
    assert sorted(map(min, ids)) == [1000, 1003] and [len(some) for some in ids] == [3, 3]


def test_what_is_left_of_uploads_is_removed(jobs: Jobs) -> None:
    kept = add_job(jobs, jpeg(1)).files[0]
    left = jobs.store_file("left", BytesIO(jpeg(2)))
    cut = ObjectId()
    jobs._database["uploads.chunks"].insert_one({"files_id": cut, "n": 0, "data": b"half"})
    now = datetime.now(timezone.utc)
    assert jobs.delete_leftovers(now - timedelta(days=1)) == 0
    assert jobs.delete_leftovers(now + timedelta(days=1)) == 2
    assert jobs.read_file(kept.file_id) == jpeg(1) and jobs.read_file(left.file_id) is None
    assert jobs._database["uploads.chunks"].count_documents({"files_id": cut}) == 0


def test_what_was_sent_but_not_noted_is_found_in_the_log(settings: Settings, jobs: Jobs) -> None:
    job = add_job(jobs, *[jpeg(number) for number in range(9)])
    ensure_topics(settings)
    producer = Producer(settings)
    producer.start()
    try:
        producer.send_frame(settings.topic_frames, "other", jpeg(1), FrameHeaders(frame_id=1005)).result(10)
        sender = JobSender(settings, jobs, producer, job, threading.Event())
        sender._date(0.008)
        for number in range(4):
            sender._send(number, 0.0, jpeg(number))
        sender._settle(patiently=True)
        jobs.change("job", touched_at=datetime.now(timezone.utc))
        again = JobSender(settings, jobs, producer, jobs.get("job"), threading.Event())
        assert again.run() == 9
        assert jobs.finish("job", JobState.CANCELLED, NOW)
        with pytest.raises(Stopped):
            JobSender(settings, jobs, producer, jobs.get("job"), threading.Event()).run()
    finally:
        producer.close()
    ids = [headers.frame_id for _, key, _, headers in frames_of(settings) if key == b"upload-job"]
    assert ids == [1000 + number for number in range(9)]


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:5,\n{inner}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {inner}\n"]
)
def test_a_playlist_that_calls_itself_a_video_opens_nothing(tmp_path, text: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text(text.format(inner=CLIP))
    with VideoProcess(Settings(), path, 5.0, 0) as video, pytest.raises(PictureError, match="cannot read"):
        video.duration_s()


def test_a_decoder_that_dies_is_the_videos_failure() -> None:
    with VideoProcess(Settings(), CLIP, 5.0, 0) as video:
        assert video.duration_s() > 1
        frames = video.frames()
        next(frames)
        video._process.kill()
        with pytest.raises(PictureError, match="signal 9"):
            list(frames)
