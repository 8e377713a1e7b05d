"""What counts as a video is told by its content alone."""

import pytest

from samples import CLIP
from web.services.uploads import looks_like_video


def test_the_sample_is_a_video() -> None:
    assert looks_like_video(CLIP.read_bytes()[:4096])


@pytest.mark.parametrize(
    "head",
    [b"\x1a\x45\xdf\xa3" + b"\0" * 60, b"RIFF\0\0\0\0AVI LIST", b"FLV\x01\x05", b"\0\0\0\x18ftypmp42", b"OggS\0"],
)
def test_containers_are_videos(head: bytes) -> None:
    assert looks_like_video(head)


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"concat:a|b",
        b"v=0\r\n",
        b"subfile:,,start,0,end,0,,:/etc/passwd",
        b"<?xml version='1.0'?><MPD>",
        b"[playlist]\nFile1=/etc/passwd",
        b"",
        b"GIF89a",
    ],
)
def test_playlists_and_lists_are_not(head: bytes) -> None:
    assert not looks_like_video(head)
