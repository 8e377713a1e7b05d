"""When a capture is live, what it says otherwise, and what becomes of threads that die or hang."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from prometheus_client import REGISTRY

from contracts.cameras import Camera, CameraSource
from contracts.errors import ConfigurationError, PictureError, UnavailableError
from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from settings import Settings
from workers import capture_process
from workers.capture import Capture, CaptureOptions
from workers.capture_health import CaptureHealth, failure
from workers.capture_process import HANGS, CameraThread, CaptureProcess
from workers.capture_reading import EncodedPicture, Grab

SECRET = "rtsp://user:s3cret@camera/live"


class Kafka:
    """Acknowledges what it is given, while it is not away."""

    def __init__(self) -> None:
        self.pictures: list[bytes] = []
        self.away = False

    def start(self) -> None: ...

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        if self.away:
            raise UnavailableError("Kafka does not take records")
        self.pictures.append(picture)
        sent: Future[SourceOffset] = Future()
        sent.set_result(SourceOffset(topic, 0, len(self.pictures) - 1))
        return sent

    def flush(self, timeout_s: float) -> None: ...

    def close(self) -> None: ...


class Scene:
    """A source whose frames are made by a function of their number."""

    name = "a scene"

    def __init__(self, encode: Callable[[int], EncodedPicture], live: bool = True, frames: int = 100_000) -> None:
        self.live = live
        self._encode = encode
        self._frames = frames

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        for number in range(self._frames):
            if self.live:
                time.sleep(0.01)
            yield Grab(number / 100, lambda number=number: self._encode(number))

    def duration_s(self) -> float:
        return self._frames / 100


def picture(number: int) -> EncodedPicture:
    return EncodedPicture(b"%d" % number, "image/jpeg")


def fails_always(number: int) -> EncodedPicture:
    raise ValueError(SECRET)


def fails_at_times(number: int) -> EncodedPicture:
    if number % 3 == 1:
        raise MemoryError
    return picture(number)


def wait_until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def damaged(camera_id: str) -> float:
    labels = {"camera": camera_id, "reason": "damaged"}
    return REGISTRY.get_sample_value("crowdwatch_capture_dropped_total", labels) or 0.0


@pytest.mark.parametrize("live", [True, False])
def test_frames_that_cannot_be_encoded_are_counted_and_the_others_sent(live: bool) -> None:
    kafka, name = Kafka(), f"at-times-{live}"
    capture = Capture(Settings(), name, Scene(fails_at_times, live), CaptureOptions(pace=False), sender=kafka)
    capture.run(threading.Event(), count=20)
    assert len(kafka.pictures) == 20 and all(int(number) % 3 != 1 for number in kafka.pictures)
    assert damaged(name) >= 9
    assert capture.health.live and capture.health.trouble is None


def test_a_live_source_that_never_encodes_is_not_live_and_says_why() -> None:
    capture, stop = Capture(Settings(), "never", Scene(fails_always), sender=Kafka()), threading.Event()
    runner = threading.Thread(target=capture.run, args=(stop,))
    runner.start()
    wait_until(lambda: damaged("never") > 3)
    assert not capture.health.live and capture.ready()["source"] is False
    assert "cannot be encoded: ValueError in test_capture_health.py" in str(capture.health.trouble)
    assert "s3cret" not in str(capture.health.trouble)
    stop.set()
    runner.join()


def test_a_file_that_never_encodes_ends_with_the_reason() -> None:
    capture = Capture(Settings(), "file", Scene(fails_always, live=False, frames=3), sender=Kafka())
    with pytest.raises(ConfigurationError, match="cannot be encoded: ValueError"):
        capture.run(threading.Event())


def test_what_a_picture_error_says_is_shown() -> None:
    def refuse(number: int) -> EncodedPicture:
        raise PictureError("the picture has no pixels")

    capture = Capture(Settings(), "refused", Scene(refuse, live=False, frames=1), sender=Kafka())
    with pytest.raises(ConfigurationError, match="the picture has no pixels"):
        capture.run(threading.Event())


def test_a_camera_whose_frames_kafka_does_not_take_is_not_live() -> None:
    clock = [0.0]
    health = CaptureHealth(clock=lambda: clock[0])
    health.connected()
    health.acknowledged()
    assert health.live and health.trouble is None
    health.refused("Kafka does not take records")
    assert health.live, "one frame more or less is nothing"
    clock[0] += 11
    assert not health.live and health.trouble == "Kafka does not take records"
    health.acknowledged()
    assert health.live


def test_silence_is_told_unless_it_is_on_purpose() -> None:
    clock = [0.0]
    often, seldom = (CaptureHealth(interval_s, lambda: clock[0]) for interval_s in (0.2, 60.0))
    for health in (often, seldom):
        health.connected()
        health.acknowledged()
    clock[0] += 100
    assert not often.live and often.trouble == "no frame was sent for 100 s"
    assert seldom.live
    assert CaptureHealth(clock=lambda: clock[0]).trouble is None, "it only begins"


def test_a_source_that_broke_off_is_not_live_at_once() -> None:
    health = CaptureHealth()
    health.connected()
    health.acknowledged()
    health.broke("the camera ended")
    assert not health.live and health.trouble == "the camera ended"
    assert health.connected() and not health.connected()


def test_a_thread_that_hangs_is_known_by_its_beats() -> None:
    clock = [0.0]
    health = CaptureHealth(clock=lambda: clock[0])
    assert health.stalled_s() == 0
    health.beat("reader")
    health.beat("sender", ahead_s=60)
    clock[0] += 30
    assert health.stalled_s() == 30
    health.beat("reader")
    assert health.stalled_s() == 0
    clock[0] += 40
    assert health.stalled_s() == 40


def test_an_errors_own_words_are_not_shown() -> None:
    try:
        fails_always(1)
    except ValueError as error:
        assert failure(error).startswith("ValueError in test_capture_health.py:")
    assert failure(OSError(SECRET)) == "OSError"


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CameraThread]]:
    """Makes a camera's thread, whose source is the one given."""
    made: list[CameraThread] = []

    def make(source: object, sender: object) -> CameraThread:
        monkeypatch.setattr(capture_process, "camera_source", lambda *_: source)
        camera = Camera("gate-1", source=CameraSource("http://camera.example/", fps=100))
        made.append(CameraThread(Settings(), camera, sender))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.end()
        one.join()


def test_a_capture_that_breaks_is_begun_again(thread: Callable[..., CameraThread]) -> None:
    class Breaking(Kafka):
        broken = 0

        def send_frame(self, *args: object) -> "Future[SourceOffset]":  # type: ignore[override]
            if self.broken < 2:
                self.broken += 1
                raise ValueError(SECRET)
            return super().send_frame(*args)  # type: ignore[arg-type]

    one = thread(Scene(picture), Breaking())
    wait_until(lambda: "its capture broke: ValueError" in str(one.report()["error"]))
    assert "s3cret" not in str(one.report())
    wait_until(lambda: one.report()["live"])
    assert one.report()["error"] is None and one.report()["taken"] > 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_told(thread: Callable[..., CameraThread]) -> None:
    class Ending(Kafka):
        def send_frame(self, *args: object) -> "Future[SourceOffset]":  # type: ignore[override]
            raise SystemExit

    one = thread(Scene(picture), Ending())
    wait_until(one.hangs)


def test_a_thread_that_does_not_come_back_is_told(
    thread: Callable[..., CameraThread], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_process, "_STUCK_S", 0.5)
    back, called = threading.Event(), threading.Event()

    def hang(number: int) -> EncodedPicture:
        called.set()
        back.wait()
        return picture(number)

    one = thread(Scene(hang), Kafka())
    called.wait()
    assert not one.hangs()
    wait_until(one.hangs)
    back.set()
    wait_until(lambda: not one.hangs())


def test_a_process_ends_when_a_capture_in_it_hangs_and_obeys_despite_odd_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs = threading.Event()
    ended: list[int] = []
    monkeypatch.setattr(CameraThread, "hangs", lambda self: hangs.is_set())

    def away(settings: Settings) -> None:
        raise UnavailableError("Kafka does not answer")

    monkeypatch.setattr(capture_process, "ensure_topics", away)
    process = CaptureProcess(Settings(), ended.append)
    camera = Camera("gate-1", source=CameraSource("http://127.0.0.1:9/live"))
    orders = [b"\xff\xfe", b"[" * 100_000, b"{}", b'{"drop": []}', b'{"capture": {}}']
    orders.append(json.dumps({"capture": camera.to_dict()}).encode())

    class Orders(io.RawIOBase):
        def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]
            yield from (order + b"\n" for order in orders)
            wait_until(lambda: '"orders": 6' in answers.getvalue() and "gate-1" in answers.getvalue())
            hangs.set()
            wait_until(lambda: bool(ended))

    answers = io.StringIO()
    process.run(Orders(), answers)  # type: ignore[arg-type]
    assert ended[0] == HANGS
