"""Chunks of a small clip with sound: cut, packed, decoded again, and what is refused."""

import io
import os
import struct
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from contracts.errors import PictureError, UnavailableError
from settings import Settings
from workers.capture_pace import Thinning
from workers.capture_sources import VideoFile
from workers.media.chunk_process import ChunkProcess
from workers.media.cutting import CannotCopyError, ClockTimes, FileTimes, cut
from workers.media.unpacking import pictures

SIZE = (96, 64)
MOST_PIXELS = 1_000_000
UPRIGHT = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
QUARTER_TURN = (0, 1 << 16, 0, -(1 << 16), 0, 0, SIZE[1] << 16, 0, 1 << 30)


def make_clip(path, *, frames=40, fps=10, codec="libx264", keyframes=8, size=SIZE, sound="aac"):
    """A film with B-frames of a square that moves on noise, a keyframe now and then, and sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=fps)
        video.width, video.height = size
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec == "libx264":
            video.options = {"g": str(keyframes), "sc_threshold": "0", "bf": "2", "threads": "1"}
        audio = container.add_stream(sound, rate=8000, layout="mono")
        for index in range(frames):
            picture = np.random.default_rng(index).integers(60, 120, (size[1], size[0], 3), np.uint8)
            cv2.rectangle(picture, (index, 20), (index + 20, 40), (30, 30, 220), -1)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 8000 // fps), np.float32), format="fltp", layout="mono")
            tone.sample_rate, tone.pts, tone.time_base = 8000, index * 8000 // fps, Fraction(1, 8000)
            container.mux(audio.encode(tone))
        container.mux(video.encode())
        container.mux(audio.encode())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("media") / "a.mp4")


def cuts_of(path, *, fps=None, copy=True, sound=True, most_bytes=1_000_000, times=None):
    damage = []
    with VideoFile(path).container() as container:
        found = list(
            cut(
                container,
                times or FileTimes(0.1),
                Thinning(fps),
                copy=copy,
                sound=sound,
                most_bytes=most_bytes,
                on_damage=damage.append,
            )
        )
    assert not damage
    return found


def directly(path):
    return [(grab.at_s, grab.encode().data) for grab in VideoFile(path).grabs(lambda what: None)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_packets_that_stay_as_they_are_give_what_capture_would_have_sent(tmp_path, suffix):
    clip = make_clip(tmp_path / f"a.{suffix}")
    cuts = cuts_of(clip)
    assert [len(one.frames) for one in cuts] == [16, 16, 8], "at keyframes, of a second or more"
    rebuilt = []
    for one in cuts:
        found = list(pictures(one.data, max_pixels=MOST_PIXELS))
        assert [picture.number for picture in found] == [number for number, _ in one.frames]
        assert [picture.at_ms for picture in found] == [100 * number for number, _ in one.frames]
        rebuilt += [(at_s, picture.encoded.data) for (_, at_s), picture in zip(one.frames, found, strict=True)]
    direct = directly(clip)
    assert [data for _, data in rebuilt] == [data for _, data in direct]
    assert [at_s for at_s, _ in rebuilt] == pytest.approx([at_s for at_s, _ in direct])


@pytest.mark.parametrize(
    ("suffix", "codec", "copy"), [("mp4", "aac", True), ("mov", "pcm_alaw", True), ("mkv", "pcm_s16le", False)]
)
def test_sound_travels_along(tmp_path, suffix, codec, copy):
    clip = make_clip(tmp_path / f"a.{suffix}", sound=codec)
    with VideoFile(clip).container() as container:
        whole = sum(1 for packet in container.demux(audio=0) if packet.size)
    carried, seconds = 0, []
    for one in cuts_of(clip, copy=copy):
        assert len(list(pictures(one.data, max_pixels=MOST_PIXELS))) == len(one.frames)
        with av.open(io.BytesIO(one.data)) as container:
            assert container.streams.audio[0].codec_context.name == codec
            packets = [packet for packet in container.demux(audio=0) if packet.size]
            carried += len(packets)
            seconds.append(sum(frame.samples for packet in packets for frame in packet.decode()) / 8000)
    assert carried == whole
    assert sum(seconds) == pytest.approx(4, abs=0.3)


def test_sound_stays_away_when_it_is_not_wanted(clip):
    for copy in (True, False):
        for one in cuts_of(clip, copy=copy, sound=False):
            with av.open(io.BytesIO(one.data)) as container:
                assert [stream.type for stream in container.streams] == ["video"]


def test_sound_that_no_container_takes_stays_away(tmp_path, caplog):
    cuts = cuts_of(make_clip(tmp_path / "a.avi", sound="adpcm_ms", codec="mpeg4"))
    assert "adpcm_ms" in caplog.text
    assert sum(len(list(pictures(one.data, max_pixels=MOST_PIXELS))) for one in cuts) == 40


def test_frames_are_thinned_by_saying_which_pictures_they_are(clip):
    cuts = cuts_of(clip, fps=5)
    assert [[number for number, _ in one.frames] for one in cuts] == [[*range(0, 16, 2)]] * 2 + [[*range(0, 8, 2)]]
    wanted = [number for number, _ in cuts[0].frames]
    assert [one.number for one in pictures(cuts[0].data, wanted, max_pixels=MOST_PIXELS)] == wanted


@pytest.mark.parametrize(("codec", "size"), [("libx264", SIZE), ("mjpeg", (97, 63))])
def test_frames_that_are_encoded_anew_are_all_there(tmp_path, codec, size):
    path = make_clip(tmp_path / "a.mkv", codec=codec, size=size)
    cuts = cuts_of(path, fps=5, copy=False)
    assert [one.frames[0][1] for one in cuts] == pytest.approx([0, 1, 2, 3])
    for one in cuts:
        found = list(pictures(one.data, max_pixels=MOST_PIXELS))
        assert [picture.number for picture in found] == [0, 1, 2, 3, 4]
        assert [picture.at_ms for picture in found] == pytest.approx([0, 200, 400, 600, 800], abs=1)
        shape = cv2.imdecode(np.frombuffer(found[0].encoded.data, np.uint8), cv2.IMREAD_COLOR).shape
        assert shape == (size[1], size[0], 3)


@pytest.mark.parametrize("copy", [True, False])
def test_pictures_that_are_to_be_turned_are_turned(tmp_path, copy):
    path = make_clip(tmp_path / "a.mp4", frames=8)
    upright, quarter = (struct.pack(">9i", *row) for row in (UPRIGHT, QUARTER_TURN))
    data = path.read_bytes()
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + quarter + data[at + len(quarter) :])
    [first, *_], *_ = ([*pictures(one.data, max_pixels=MOST_PIXELS)] for one in cuts_of(path, copy=copy))
    turned, direct = (
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)
        for jpeg in (first.encoded.data, directly(path)[0][1])
    )
    assert turned.shape == direct.shape == (SIZE[0], SIZE[1], 3)
    assert np.abs(turned - direct).mean() < 10


def test_frames_far_apart_have_chunks_of_their_own(clip):
    assert [len(one.frames) for one in cuts_of(clip, fps=0.5, copy=False)] == [1, 1]


def test_live_packets_were_captured_when_they_came(clip):
    now = iter(range(1000))
    cuts = cuts_of(clip, times=ClockTimes(lambda: float(next(now))))
    assert [at_s for one in cuts for _, at_s in one.frames] == [float(number) for number in range(40)]


def test_keyframes_that_are_too_far_apart_are_told_of(tmp_path):
    path = make_clip(tmp_path / "a.mp4", keyframes=1000)
    with pytest.raises(CannotCopyError, match="without a keyframe"):
        cuts_of(path, most_bytes=path.stat().st_size // 2)


def test_a_picture_alone_is_a_chunk_too():
    jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    [one] = pictures(jpeg, max_pixels=MOST_PIXELS)
    assert (one.number, one.at_ms, one.encoded.data, one.encoded.content_type) == (0, 0, jpeg, "image/jpeg")


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (b"", "cannot be read as video"),
        (b"nothing of the kind", "cannot be read as video"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "cannot be read as video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "cannot be read as video"),
    ],
)
def test_what_is_no_video_is_told_of(chunk, reason):
    with pytest.raises(PictureError, match=reason):
        list(pictures(chunk, max_pixels=MOST_PIXELS))


def test_pictures_that_are_too_large_are_not_decoded(clip):
    with pytest.raises(PictureError, match="96 x 64 pixels"):
        list(pictures(clip.read_bytes(), max_pixels=SIZE[0] * SIZE[1] - 1))


def test_codecs_that_nobody_knows_are_told_of(tmp_path, caplog):
    path = make_clip(tmp_path / "a.mov", frames=8, sound="pcm_alaw")
    path.write_bytes(path.read_bytes().replace(b"alaw", b"zzzz"))
    assert [len(one.frames) for one in cuts_of(path)] == [8]
    assert "the sound is left out" in caplog.text
    with pytest.raises(PictureError, match="codec is not known"):
        list(pictures(path.read_bytes().replace(b"avc1", b"zzz1"), max_pixels=MOST_PIXELS))


def test_sound_alone_is_no_chunk(clip):
    out = io.BytesIO()
    with av.open(str(clip)) as source, av.open(out, "w", format="matroska") as container:
        audio = source.streams.audio[0]
        copied = container.add_stream_from_template(audio)
        for packet in source.demux(audio):
            if packet.size:
                packet.stream = copied
                container.mux(packet)
    with pytest.raises(PictureError, match="there is no picture in it"):
        list(pictures(out.getvalue(), max_pixels=MOST_PIXELS))


CHILD = """
import json, os, struct, sys, time

def say(head, data=b""):
    message = b"" if head is None else json.dumps(head).encode() + b"\\n" + data
    sys.stdout.buffer.write(struct.pack(">Q", len(message)) + message)
    sys.stdout.buffer.flush()

served = 0
say(None)
while head := sys.stdin.buffer.read(8):
    line, _, chunk = sys.stdin.buffer.read(struct.unpack(">Q", head)[0]).partition(b"\\n")
    served += 1
    for number in range(3):
        say({"number": number, "at_ms": 0, "content_type": "image/jpeg"}, b"%d" % os.getpid())
        if number == 1:
            if chunk == b"crash": os.kill(os.getpid(), 11)
            if chunk == b"second" and served > 1: os._exit(4)
            if chunk == b"sleep": time.sleep(60)
            if chunk == b"rubbish": say([])
            if chunk == b"flood": say({"number": 2, "at_ms": 0, "content_type": "image/jpeg"}, bytes(1_000_000))
    say({"error": "damaged" if chunk == b"damaged" else None})
"""


@pytest.fixture
def process():
    settings = Settings(isolation_timeout_s=20, max_picture_bytes=64 * 1024)
    process = ChunkProcess(settings, (sys.executable, "-S", "-c", CHILD))
    yield process
    process.close()


def test_a_process_serves_chunk_after_chunk(process):
    found = [[one.encoded.data for one in process.pictures(b"good", None)] for _ in range(2)]
    assert found[0] == found[1] and len(set(found[0])) == 1 and found[0][0] != b"%d" % os.getpid()
    with pytest.raises(PictureError, match="damaged"):
        list(process.pictures(b"damaged", None))
    assert [one.encoded.data for one in process.pictures(b"good", None)] == found[0], "it is not the child's end"


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (b"crash", "killed the process that decoded it .signal SIGSEGV"),
        (b"rubbish", "gave no result"),
        (b"flood", "answered with 1000"),
    ],
)
def test_a_chunk_that_kills_its_process_fails_and_its_neighbours_do_not(process, chunk, reason):
    list(process.pictures(b"good", None))
    got = []
    with pytest.raises(PictureError, match=reason):
        for one in process.pictures(chunk, None):
            got.append(one.number)
    assert got == [0, 1], "each once, though the chunk was tried in two processes"
    assert [one.number for one in process.pictures(b"good", None)] == [0, 1, 2]


def test_a_process_that_has_served_others_is_not_believed(process):
    list(process.pictures(b"good", None))
    assert [one.number for one in process.pictures(b"second", None)] == [0, 1, 2]


def test_a_chunk_that_takes_too_long_fails_at_once():
    process = ChunkProcess(Settings(isolation_timeout_s=0.3), (sys.executable, "-S", "-c", CHILD))
    list(process.pictures(b"good", None))
    got = []
    with pytest.raises(PictureError, match="no result within"):
        for one in process.pictures(b"sleep", None):
            got.append(one.encoded.data)
    assert len(set(got)) < 2, "one process"


def test_a_process_that_cannot_start_is_not_the_chunks_fault():
    process = ChunkProcess(Settings(), (sys.executable, "-S", "-c", "raise SystemExit('no decoder')"))
    with pytest.raises(UnavailableError, match="no decoder"):
        list(process.pictures(b"good", None))
