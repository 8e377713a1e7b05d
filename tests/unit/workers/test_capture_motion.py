"""What counts as motion in front of a camera, and how often a scene is sampled in which there is none."""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from contracts.frames import FrameHeaders
from contracts.offsets import SourceOffset
from samples import CLIP
from settings import Settings
from workers.capture import Capture, CaptureOptions
from workers.capture_motion import WIDTH, Sampling, moved, reduced, reduced_frame, reduced_jpeg
from workers.capture_reading import EncodedPicture, Grab
from workers.capture_sources import VideoFile

Picture = NDArray[np.uint8]
ROOM = cv2.resize(np.random.default_rng(1).integers(30, 220, (9, 16, 3), np.uint8), (640, 360))


def noisy(picture: Picture, sigma: float, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def with_person(x: int, width: int = 20, sigma: float = 0.0, seed: int = 0) -> Picture:
    """The room with somebody whose head is so wide, dark against what is behind."""
    picture = ROOM.copy()
    cv2.ellipse(picture, (x, 150), (width // 2, width * 2 // 3), 0, 0, 360, (20, 25, 40), -1)
    return noisy(picture, sigma, seed)


def jpeg(picture: Picture, quality: int = 80) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize(("sigma", "light"), [(0, 10), (5, -15), (15, 0), (15, 10), (30, 0)])
def test_noise_and_light_are_no_motion(sigma: float, light: int) -> None:
    before = noisy(ROOM, sigma, 1)
    for seed in range(2, 5):
        after = noisy(np.clip(ROOM.astype(int) + light, 0, 255).astype(np.uint8), sigma, seed)
        assert not moved(reduced(before), reduced(after))
        assert not moved(reduced_jpeg(jpeg(before)), reduced_jpeg(jpeg(after)))


@pytest.mark.parametrize(("width", "step", "sigma"), [(30, 4, 3), (15, 4, 3), (10, 10, 3), (30, 6, 10)])
def test_people_who_walk_are_motion(width: int, step: int, sigma: float) -> None:
    pictures = [with_person(150 + step * number, width, sigma, number) for number in range(4)]
    for before, after in itertools.pairwise(pictures):
        assert moved(reduced(before), reduced(after))
        assert moved(reduced_jpeg(jpeg(before)), reduced_jpeg(jpeg(after)))


def test_a_crowd_that_walks_is_motion_in_each_frame() -> None:
    with av.open(str(CLIP)) as container:
        pictures = [reduced_frame(frame) for frame in container.decode(video=0)]
    assert len(pictures) == 240 and all(moved(before, after) for before, after in itertools.pairwise(pictures))


def test_reduced_pictures_are_alike_whatever_they_are_made_of(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(with_person(150), format="bgr24")))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    made = [
        reduced(with_person(150)),
        reduced_jpeg(jpeg(with_person(150), 95)),
        reduced_frame(frame),
        reduced_frame(frame.reformat(format="rgb24")),
    ]
    for one, other in itertools.combinations(made, 2):
        assert one.shape == other.shape == (90, WIDTH)
        assert not moved(one, other)
    assert [next(VideoFile(path).grabs(print)).preview().shape] == [(90, WIDTH)]  # type: ignore[misc]


def test_a_zone_that_is_to_be_ignored_holds_no_motion() -> None:
    before, after = reduced(with_person(150)), reduced(with_person(170))
    around = ((0.2, 0.35), (0.3, 0.35), (0.3, 0.48), (0.2, 0.48))
    assert moved(before, after) and not moved(before, after, [around])
    elsewhere = ((0.5, 0.35), (0.6, 0.35), (0.6, 0.48), (0.5, 0.48))
    assert moved(before, after, [elsewhere])


def test_a_picture_of_another_size_is_motion() -> None:
    assert moved(reduced(ROOM), reduced(ROOM[:180]))


def test_a_frame_that_cannot_be_compared_passes() -> None:
    def broken() -> Picture:
        raise MemoryError

    left_out: list[float] = []
    sampling = Sampling(0.1, lambda: left_out.append(1))
    for number in range(100):
        assert sampling.wants(number, None) and sampling.wants(number + 0.5, broken)
    assert not left_out


@functools.cache
def preview_of(x: int, seed: int) -> Picture:
    return reduced(with_person(x, 30, 3, seed))


class Scene:
    """Ten pictures a second: still for 30 s, somebody walks for 5 s, still for 30 s."""

    name, live = "a scene", False

    def grabs(self, on_damage: Callable[[str], None]) -> Iterator[Grab]:
        for number in range(650):
            step = min(max(number - 300, 0), 50)
            preview = partial(preview_of, 150 + 5 * step, number % 7)
            yield Grab(number / 10, partial(EncodedPicture, b"%d" % number, "image/jpeg"), preview)

    def duration_s(self) -> float:
        return 65.0


class Kafka:
    def __init__(self) -> None:
        self.numbers: list[int] = []

    def start(self) -> None: ...

    def send_frame(self, topic: str, camera_id: str, picture: bytes, headers: FrameHeaders) -> "Future[SourceOffset]":
        self.numbers.append(int(picture))
        sent: Future[SourceOffset] = Future()
        sent.set_result(SourceOffset(topic, 0, len(self.numbers)))
        return sent

    def flush(self, timeout_s: float) -> None: ...

    def close(self) -> None: ...


def test_a_still_scene_is_sampled_seldom_and_in_full_at_once_when_somebody_comes() -> None:
    sent = {}
    for still_fps in (None, 0.5):
        kafka = Kafka()
        options = CaptureOptions(fps=5, still_fps=still_fps, pace=False)
        Capture(Settings(), f"still-{still_fps}", Scene(), options, sender=kafka).run(threading.Event())
        sent[still_fps] = [number / 10 for number in kafka.numbers]
    whole, thinned = sent[None], sent[0.5]
    assert len(whole) == 325
    assert [at for at in thinned if 30.1 < at <= 38] == [at for at in whole if 30.1 < at <= 38], "and for 3 s after"
    for first, last in ((4, 30), (39, 65)):
        pauses = [after - before for before, after in itertools.pairwise(at for at in thinned if first <= at <= last)]
        assert pauses and all(pause == pytest.approx(2.0) for pause in pauses)
    labels = {"camera": "still-0.5", "reason": "still"}
    left_out = REGISTRY.get_sample_value("crowdwatch_capture_dropped_total", labels)
    assert left_out == len(whole) - len(thinned)
