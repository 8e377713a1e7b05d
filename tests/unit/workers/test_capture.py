"""Capture of files: pace, thinning, repetition, headers, a Kafka that is away. Live: test_capture_network."""

import threading
import time
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from prometheus_client import REGISTRY

from contracts.errors import ConfigurationError, UnavailableError
from contracts.frames import FrameHeaders, Origin
from contracts.offsets import SourceOffset
from samples import CLIP
from settings import Settings
from workers.capture import MOST_UNACKNOWLEDGED, Capture, CaptureOptions
from workers.capture_pace import Newest, Thinning
from workers.capture_reading import EncodedPicture, Grab
from workers.capture_sources import PictureFolder, VideoFile, open_source
from workers.media.stream import MediaStream


class Kafka:
    """Keeps what it is given; refuses the first `refusals`, and acknowledges only when told if `silent`."""

    def __init__(self, refusals: int = 0, *, silent: bool = False) -> None:
        self.records: list[tuple[str, str, bytes, FrameHeaders]] = []
        self.waiting: list[Future[SourceOffset]] = []
        self.refusals = refusals
        self.silent = silent

    def start(self) -> None: ...

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        if self.refusals:
            self.refusals -= 1
            raise UnavailableError("no room")
        self.records.append((topic, camera_id, picture, headers))
        self.waiting.append(Future())
        if not self.silent:
            self.acknowledge()
        return self.waiting[-1]

    def acknowledge(self) -> None:
        for number, future in enumerate(self.waiting):
            if not future.done():
                future.set_result(SourceOffset("frames", 0, number))

    def flush(self, timeout_s: float) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(8):
        picture = np.full((24, 32, 3), number * 20, np.uint8)
        (tmp_path / f"{number}.jpg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    return tmp_path


def capture(
    folder: Path, kafka: Kafka, *, folder_fps: float = 100, camera_id: str = "gate-1", **options: float
) -> Capture:
    source = open_source(str(folder), folder_fps=folder_fps)
    return Capture(Settings(), camera_id, source, CaptureOptions(**options), sender=kafka)  # type: ignore[arg-type]


def test_every_picture_is_sent_with_what_is_known_of_it(folder: Path) -> None:
    kafka, before = Kafka(), datetime.now(timezone.utc)
    capture(folder, kafka, max_age_ms=500).run(threading.Event())
    assert [picture for _, _, picture, _ in kafka.records] == [
        (folder / f"{number}.jpg").read_bytes() for number in range(8)
    ]
    for topic, camera_id, _, headers in kafka.records:
        assert (topic, camera_id, headers.content_type) == ("frames", "gate-1", "image/jpeg")
        assert (headers.origin, headers.max_age_ms) == (Origin.FILE, 500)
    times = [headers.captured_at for *_, headers in kafka.records if headers.captured_at]
    assert before <= times[0] < before + timedelta(seconds=5)
    assert [round((at - times[0]).total_seconds() * 100) for at in times] == list(range(8))


def test_frame_ids_rise_by_one_and_go_on_rising_after_a_restart(folder: Path) -> None:
    kafka = Kafka()
    for _ in range(2):
        capture(folder, kafka).run(threading.Event())
    ids = [headers.frame_id or 0 for *_, headers in kafka.records]
    assert ids[:8] == list(range(ids[0], ids[0] + 8)) and ids[8:] == list(range(ids[8], ids[8] + 8))
    assert ids[8] > ids[7]


def test_a_file_is_played_in_real_time_unless_told_otherwise(folder: Path) -> None:
    for pace, fastest, slowest in ((True, 0.34, 5), (False, 0, 0.3)):
        kafka, since = Kafka(), time.monotonic()
        capture(folder, kafka, folder_fps=20, pace=pace).run(threading.Event())
        assert fastest <= time.monotonic() - since < slowest
        times = [headers.captured_at for *_, headers in kafka.records if headers.captured_at]
        assert (times[-1] - times[0]).total_seconds() == pytest.approx(0.35, abs=0.002)
        assert times[-1] <= datetime.now(timezone.utc), "nothing is captured in the future"


@pytest.mark.parametrize("says_s", [0.0, 0.1, 1000.0])
def test_nothing_is_captured_in_the_future_whatever_a_file_says_of_its_length(folder: Path, says_s: float) -> None:
    class Lying(PictureFolder):
        def duration_s(self) -> float:
            return says_s

    kafka = Kafka()
    Capture(Settings(), "lying", Lying(folder, 2.0), CaptureOptions(pace=False), sender=kafka).run(threading.Event())
    times = [headers.captured_at for *_, headers in kafka.records if headers.captured_at]
    assert len(times) == 8 and times == sorted(times) and times[-1] <= datetime.now(timezone.utc)


def test_a_run_ends_by_count_by_time_and_by_the_stop_event(folder: Path) -> None:
    kafka = Kafka()
    one = capture(folder, kafka, loop=True)
    one.run(threading.Event(), count=3)
    assert one.taken == 3
    one.run(threading.Event(), timeout_s=0.2)
    assert 3 < one.taken < 40
    stopped = threading.Event()
    stopped.set()
    one.run(stopped)
    assert one.taken == len(kafka.records)


def test_loop_starts_the_file_anew_and_time_goes_on(folder: Path) -> None:
    kafka = Kafka()
    capture(folder, kafka, loop=True).run(threading.Event(), count=20)
    pictures = [picture for _, _, picture, _ in kafka.records]
    assert pictures[8:16] == pictures[:8]
    times = [headers.captured_at for *_, headers in kafka.records if headers.captured_at]
    assert [round((after - times[0]).total_seconds() * 100) for after in times] == list(range(20))


def test_a_kafka_that_is_away_loses_no_frame_of_a_file(folder: Path) -> None:
    kafka = Kafka(refusals=2)
    capture(folder, kafka).run(threading.Event())
    assert len(kafka.records) == 8


def test_no_more_is_in_flight_than_allowed(folder: Path) -> None:
    kafka, stop = Kafka(silent=True), threading.Event()
    one = capture(folder, kafka, loop=True, pace=False)
    runner = threading.Thread(target=one.run, args=(stop,))
    runner.start()
    deadline = time.monotonic() + 5
    while len(kafka.records) < MOST_UNACKNOWLEDGED and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(kafka.records) == MOST_UNACKNOWLEDGED
    kafka.silent = False
    kafka.acknowledge()
    while len(kafka.records) < 2 * MOST_UNACKNOWLEDGED and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    runner.join()
    assert len(kafka.records) >= 2 * MOST_UNACKNOWLEDGED


def test_what_was_sent_and_what_was_not_is_counted(folder: Path) -> None:
    (folder / "notes.jpg").write_text("no picture")
    (folder / "large.jpg").write_bytes((folder / "1.jpg").read_bytes() + bytes(17 * 1024 * 1024))
    capture(folder, Kafka(), camera_id="counted").run(threading.Event())

    def count(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"crowdwatch_capture_{name}_total", {"camera": "counted", **labels})

    assert count("frames") == 8
    assert count("dropped", reason="damaged") == 1
    assert count("dropped", reason="too_large") == 1


def test_a_folder_without_pictures_ends_the_run_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no JPEG"):
        capture(tmp_path, Kafka(), loop=True).run(threading.Event())


@pytest.mark.parametrize("camera_id", ["", " ", "gate\n1", "gate\u20281", "g" * 201, "\ud800"])
def test_a_camera_needs_an_id_that_the_rule_allows(folder: Path, camera_id: str) -> None:
    with pytest.raises(ConfigurationError, match="camera_id should"):
        capture(folder, Kafka(), camera_id=camera_id)
    with pytest.raises(ConfigurationError, match="camera_id should"):
        MediaStream(Settings(), camera_id, VideoFile(CLIP))


def test_an_id_is_sent_as_it_is_written_everywhere(folder: Path) -> None:
    kafka = Kafka()
    capture(folder, kafka, camera_id="hall/nave\u0301").run(threading.Event())
    assert {name for _, name, _, _ in kafka.records} == {"hall/nav\u00e9"}


@pytest.mark.parametrize(
    ("fps", "times", "kept"),
    [
        (None, [0, 0.04, 0.08], [0, 0.04, 0.08]),
        (5, [number / 10 for number in range(10)], [0, 0.2, 0.4, 0.6, 0.8]),
        (4, [number / 10 for number in range(11)], [0, 0.3, 0.5, 0.8, 1.0]),
        (10, [0, 1, 1.05, 1.1], [0, 1, 1.1]),
        (100, [0, 0.5, 1.0], [0, 0.5, 1.0]),
    ],
)
def test_thinning_is_even_and_keeps_the_rate(fps: float | None, times: list[float], kept: list[float]) -> None:
    thinning = Thinning(fps)
    assert [at_s for at_s in times if thinning.wants(at_s)] == kept


def test_the_newest_frame_replaces_the_one_before() -> None:
    newest, at = Newest(), datetime.now(timezone.utc)
    first, second = (Grab(n, lambda: EncodedPicture(b"", "image/jpeg")) for n in (1.0, 2.0))
    assert newest.take(0) is None
    assert newest.offer(first, at) is False
    assert newest.offer(second, at) is True
    assert newest.take(0) == (second, at)
    assert newest.take(0) is None
