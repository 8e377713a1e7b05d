import pytest

from contracts.camera_urls import check_url, masked, with_secrets_of
from contracts.errors import ContractError


@pytest.mark.parametrize(
    "url, shown",
    [
        ("rtsp://user:s3cret@gate/live", "rtsp://***@gate/live"),
        ("rtsps://user@gate:554/live", "rtsps://***@gate:554/live"),
        ("http://gate/video.mjpg?user=a&pwd=s3cret", "http://gate/video.mjpg?user=***&pwd=***"),
        ("http://gate/video.mjpg#s3cret", "http://gate/video.mjpg"),
        ("http://a:b@[::1]:80/x", "http://***@[::1]:80/x"),
        ("http://user:p@ss@gate/x", "http://***@gate/x"),
        ("http://gate/x", "http://gate/x"),
        ("http://[s3cret", "***"),
    ],
)
def test_secrets_are_masked(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked(shown) == shown


def test_a_mask_that_comes_back_keeps_the_secret() -> None:
    stored = "rtsp://user:s3cret@gate/live?key=s3cret"
    assert with_secrets_of(masked(stored), stored) == stored
    assert with_secrets_of("rtsp://other:word@gate/live", stored) == "rtsp://other:word@gate/live"
    assert with_secrets_of("rtsp://gate/live", stored) == "rtsp://gate/live"


@pytest.mark.parametrize("url", ["rtsp://***@elsewhere/live", "rtsp://***:***@gate/live", "http://gate/live?key=***"])
def test_a_stored_secret_goes_to_no_other_host(url: str) -> None:
    for stored in ("rtsp://user:s3cret@gate/live?key=s3cret", None):
        with pytest.raises(ContractError, match="again"):
            with_secrets_of(url, stored)


@pytest.mark.parametrize("url", ["rtsp://gate/live", "https://u:p@[fe80::1]:8080/x", "file:///clips/hall.mp4"])
def test_addresses_of_cameras(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "/etc/passwd",
        "concat:a|b",
        "subfile:,,start,0,end,0,,:/etc/passwd",
        "ftp://gate/x",
        "gopher://gate/x",
        "rtsp://",
        "http://[::1",
        "http://gate:port/x",
        "http://gate/a b",
        "http://gate/a\nb",
        "file://host/clip.mp4",
        "file:clip.mp4",
        "",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ContractError):
        check_url(url)
