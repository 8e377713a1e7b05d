"""Where a camera may be, and what is opened then."""

import ipaddress
from pathlib import Path

import pytest

from contracts.errors import UnavailableError
from settings import Settings
from workers.capture_addresses import allowed_networks, camera_source, is_allowed, locate


@pytest.mark.parametrize("address", ["192.168.1.20", "10.0.0.9", "203.0.113.7", "2001:db8::1", "fd12::1"])
def test_cameras_are_in_the_local_network_or_beyond(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "::ffff:127.0.0.1"],
)
def test_this_machine_and_link_local_addresses_are_not_for_cameras(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), ())
    with pytest.raises(UnavailableError, match="no camera may be") as caught:
        locate("rtsp://user:s3cret@gate/live", (), lambda host, port: ["192.168.1.20", address])
    assert "s3cret" not in str(caught.value)


def test_a_setting_allows_networks() -> None:
    served_here = allowed_networks(Settings())
    assert is_allowed(ipaddress.ip_address("127.0.0.1"), served_here)
    assert not is_allowed(ipaddress.ip_address("169.254.169.254"), served_here)
    elsewhere = Settings().model_copy(update={"web_host": "0.0.0.0"})
    assert allowed_networks(elsewhere) == ()
    named = elsewhere.model_copy(update={"camera_networks": ("169.254.7.0/24",)})
    assert is_allowed(ipaddress.ip_address("169.254.7.1"), allowed_networks(named))


@pytest.mark.parametrize(
    "url, opened, options",
    [
        ("rtsp://u:p@gate/live?x=1", "rtsp://u:p@192.0.2.7/live?x=1", {}),
        ("http://gate:81/x", "http://192.0.2.7:81/x", {"max_redirects": "0", "headers": "Host: gate:81\r\n"}),
        ("https://gate/x", "https://gate/x", {"max_redirects": "0"}),
    ],
)
def test_what_was_checked_is_what_is_opened(url: str, opened: str, options: dict[str, str]) -> None:
    located = locate(url, (), lambda host, port: ["192.0.2.7"])
    assert (located.url, located.options) == (opened, options)


def test_a_file_lies_in_the_folder_or_is_refused(tmp_path: Path) -> None:
    clips, other = tmp_path / "clips", tmp_path / "other.mp4"
    clips.mkdir()
    (clips / "a.mp4").write_bytes(b"x")
    other.write_bytes(b"x")
    (clips / "link.mp4").symlink_to(other)
    settings = Settings().model_copy(update={"camera_folder": clips})
    assert not camera_source(settings, f"file://{clips}/a.mp4").live
    for url in (f"file://{other}", f"file://{clips}/../other.mp4", f"file://{clips}/link.mp4", f"file://{clips}/b.mp4"):
        with pytest.raises(UnavailableError):
            camera_source(settings, url)
    with pytest.raises(UnavailableError, match="CROWDWATCH_CAMERA_FOLDER"):
        camera_source(Settings(), f"file://{clips}/a.mp4")
