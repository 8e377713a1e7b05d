"""Files and folders as sources: whole, cut short, damaged, turned, and what is refused."""

import random
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import ConfigurationError
from workers.capture_reading import MediaClock, picture_type
from workers.capture_sources import VideoFile, open_source

SIZE = (160, 120)


def scene(index: int) -> NDArray[np.uint8]:
    """A picture with a square that moves, on noise."""
    picture = np.random.default_rng(index).integers(60, 120, (SIZE[1], SIZE[0], 3), np.uint8)
    cv2.rectangle(picture, (index, 20), (index + 30, 60), (30, 30, 220), -1)
    return picture


def make_video(path: Path, frames: int = 40, codec: str = "libx264", *, faststart: bool = True) -> Path:
    options = {"movflags": "+faststart"} if faststart and path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.options = {"g": "8", "preset": "ultrafast", "threads": "1"} if codec == "libx264" else {}
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(index), format="bgr24")))
        container.mux(stream.encode())
    return path


def jpeg(index: int = 0) -> bytes:
    return cv2.imencode(".jpg", scene(index))[1].tobytes()


def test_a_video_gives_its_frames_with_their_times(tmp_path: Path) -> None:
    damage: list[str] = []
    source = open_source(str(make_video(tmp_path / "a.mp4")))
    grabs = list(source.grabs(damage.append))
    assert [grab.at_s for grab in grabs] == pytest.approx([index / 10 for index in range(40)])
    picture = grabs[5].encode()
    assert picture.content_type == "image/jpeg"
    decoded = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(decoded[40, 20].astype(int) - (30, 30, 220)).max() < 40
    assert source.duration_s() == pytest.approx(4.0, abs=0.1) and not source.live and not damage


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"a.{suffix}", codec="mjpeg" if suffix == "avi" else "libx264")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    assert 10 < len(list(VideoFile(path).grabs(lambda what: None))) < 40


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "h264"])
def test_the_length_is_that_of_the_frames_whatever_the_container_says(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"a.{suffix}", codec="mjpeg" if suffix == "avi" else "libx264")
    for _ in range(2):
        last_s = [grab.at_s for grab in VideoFile(path).grabs(lambda what: None)][-1]
        assert last_s <= VideoFile(path).duration_s() + 1e-6 and VideoFile(path).duration_s() < last_s + 0.4
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])  # no longer what its head says


def test_damage_in_the_middle_costs_only_what_it_hits(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=80)
    data = bytearray(path.read_bytes())
    middle, tenth = len(data) // 2, len(data) // 10
    data[middle : middle + tenth] = bytes(tenth)
    path.write_bytes(data)
    damage: list[str] = []
    grabs = list(VideoFile(path).grabs(damage.append))
    assert damage and 50 < len(grabs) < 80
    assert grabs[-1].at_s > 7, "the frames after the damage are there"


def test_random_bytes_never_raise_anything_unexpected(tmp_path: Path) -> None:
    whole, rng = make_video(tmp_path / "a.mp4").read_bytes(), random.Random(7)
    for _ in range(8):
        data = bytearray(whole)
        for _ in range(30):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / "b.mp4").write_bytes(data)
        try:
            for grab in VideoFile(tmp_path / "b.mp4").grabs(lambda what: None):
                grab.encode()
        except ConfigurationError as error:
            assert "cannot read" in str(error)


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n" * 100, bytes(5000)])
def test_what_is_no_video_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot read .*notes\.mp4 as video"):
        list(open_source(str(path)).grabs(lambda what: None))


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(ConfigurationError, match="no picture in it"):
        list(open_source(str(path)).grabs(lambda what: None))


def test_jpegs_in_a_video_pass_unchanged(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", frames=5, codec="mjpeg")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert [grab.encode().data for grab in VideoFile(path).grabs(lambda what: None)] == packets


def test_a_turned_video_is_turned_back(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=2)
    data = path.read_bytes()
    matrix = data.index(b"tkhd") - 4 + 48  # of a track header of version 0, ISO 14496-12
    quarter = (0, 0x10000, 0, -0x10000, 0, 0, SIZE[1] << 16, 0, 0x40000000)  # a quarter clockwise
    path.write_bytes(data[:matrix] + b"".join(n.to_bytes(4, "big", signed=True) for n in quarter) + data[matrix + 36 :])
    encoded = next(iter(VideoFile(path).grabs(lambda what: None))).encode().data
    turned = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert turned.shape == (SIZE[0], SIZE[1], 3)
    upright = cv2.rotate(scene(0), cv2.ROTATE_90_CLOCKWISE).astype(int)
    assert np.abs(cv2.blur(turned, (9, 9)).astype(int) - cv2.blur(upright, (9, 9))).mean() < 12


def test_a_folder_gives_its_pictures_in_order_and_passes_over_the_rest(tmp_path: Path) -> None:
    pictures = {f"{number}.jpg": jpeg(number) for number in (1, 2, 10)}
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "3.png").write_bytes(cv2.imencode(".png", scene(3))[1].tobytes())
    (tmp_path / "4.jpg").write_bytes(b"no picture at all")
    (tmp_path / "5.jpg").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    damage: list[str] = []
    source = open_source(str(tmp_path), folder_fps=2)
    grabs = list(source.grabs(damage.append))
    encoded = [grab.encode() for grab in grabs]
    assert [picture.content_type for picture in encoded] == ["image/jpeg", "image/jpeg", "image/png", "image/jpeg"]
    assert [encoded[i].data for i in (0, 1, 3)] == list(pictures.values())
    assert [grab.at_s for grab in grabs] == [0, 0.5, 1, 1.5]
    assert len(damage) == 2 and damage[0].startswith("4.jpg")


def test_one_picture_is_a_source_too(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    assert [grab.encode().data for grab in open_source(str(tmp_path / "a.jpg")).grabs(lambda what: None)] == [jpeg()]


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no JPEG, PNG, WebP or BMP picture in"):
        list(open_source(str(tmp_path)).grabs(lambda what: None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no/such/file.mp4", "no such file or folder"),
        ("concat:a.mp4|b.mp4", "no such file or folder"),
        ("subfile,,start,0,end,9,,:a.mp4", "no such file or folder"),
        ("file:///etc/passwd", "expected one of rtsp"),
        ("ftp://user:secret@host/a.mp4", "expected one of rtsp"),
        ("concat://a", "expected one of rtsp"),
        ("", "no such file or folder"),
    ],
)
def test_other_sources_are_refused(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message) as caught:
        list(open_source(text).grabs(lambda what: None))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ffconcat"])
def test_playlists_are_not_followed(tmp_path: Path, name: str) -> None:
    inner = make_video(tmp_path / "inner.ts", frames=12)
    if name.endswith("ffconcat"):
        text = f"ffconcat version 1.0\nfile {inner}\n"
    else:
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{inner}\n#EXT-X-ENDLIST\n"
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match="cannot read"):
        list(open_source(str(tmp_path / name)).grabs(lambda what: None))


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (jpeg(), "image/jpeg"),
        (cv2.imencode(".png", scene(0))[1].tobytes(), "image/png"),
        (cv2.imencode(".webp", scene(0))[1].tobytes(), "image/webp"),
        (cv2.imencode(".bmp", scene(0))[1].tobytes(), "image/bmp"),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_pictures_are_told_by_how_they_start(start: bytes, expected: str | None) -> None:
    assert picture_type(start[:16]) == expected


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([5.0, 5.1, 5.3], [0, 0.1, 0.3]),
        ([None, None, None], [0, 0.5, 1.0]),
        ([1.0, 90000.0, 90000.2, 3.0, 3.1], [0, 0.5, 0.7, 1.2, 1.3]),
        ([2.0, 2.0, 2.1], [0, 0.5, 0.6]),
    ],
)
def test_a_media_clock_rises_whatever_the_stamps(stamps: list[float | None], times: list[float]) -> None:
    clock = MediaClock(0.5)
    assert [clock.tick(stamp) for stamp in stamps] == pytest.approx(times)
