"""Where the address of a camera leads, and whether a camera may be there.

Cameras live in the local network, so that is allowed. This machine itself and link-local addresses (which answer with a
cloud's secrets) are not, unless a setting names them. A host's name is looked up once for each attempt and the address
that was checked is the one that is opened, so that a name cannot lead elsewhere the next moment; redirects of HTTP are
not followed.
"""

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from contracts.camera_urls import FILE_SCHEME, masked
from contracts.errors import UnavailableError
from settings import Settings
from settings.model import is_loopback
from workers.capture_sources import Located, NetworkCamera, Source, VideoFile

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LookUp = Callable[[str, int], list[str]]

_TIMEOUTS_S = 5.0, 5.0
_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_LOOPBACK = ("127.0.0.0/8", "::1/128")


def camera_source(settings: Settings, url: str, transport: str = "auto") -> Source:
    """Return the source that a camera's document names, with its transport of RTSP. Nothing is opened yet.

    Raises:
        UnavailableError: it is a file outside the folder of the setting, or not there.
    """
    if urlsplit(url).scheme == FILE_SCHEME:
        return VideoFile(_file(url, settings.camera_folder))
    allowed = allowed_networks(settings)
    return NetworkCamera(
        url, timeouts_s=_TIMEOUTS_S, locate=lambda address: locate(address, allowed), transport=transport
    )


def allowed_networks(settings: Settings) -> tuple[Network, ...]:
    """Return the networks in which cameras may be although they are this machine's own."""
    names: list[str] = []
    for name in settings.camera_networks:
        if name != "auto":
            names.append(name)
        elif is_loopback(settings.web_host):
            names += _LOOPBACK
    return tuple(ipaddress.ip_network(name) for name in names)


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        UnavailableError: it is not known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"the host {host} is not known: {getattr(error, 'strerror', None) or error}") from error
    return [str(entry[4][0]) for entry in found]


def locate(url: str, allowed: tuple[Network, ...], look_up: LookUp = look_up) -> Located:
    """Return the address with its host looked up and checked.

    Raises:
        UnavailableError: the host is not known, or no camera may be where it leads.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in look_up(host, port or _PORTS[parts.scheme])]
    refused = [address for address in addresses if not is_allowed(address, allowed)]
    if refused or not addresses:
        raise UnavailableError(
            f"{masked(url)} leads to {refused[0] if refused else 'nowhere'}, where no camera may be; "
            "an administrator can allow it by CROWDWATCH_CAMERA_NETWORKS"
        )
    options = {"max_redirects": "0"} if parts.scheme in ("http", "https") else {}
    if parts.scheme in ("https", "rtsps"):  # the name is needed for TLS
        return Located(url, options)
    user, at, named = parts.netloc.rpartition("@")
    if parts.scheme == "http":
        options["headers"] = f"Host: {named}\r\n"
    first = addresses[0]
    place = f"[{first}]" if first.version == 6 else str(first)
    return Located(parts._replace(netloc=f"{user}{at}{place}{f':{port}' if port else ''}").geturl(), options)


def is_allowed(address: Address, allowed: tuple[Network, ...]) -> bool:
    """Whether a camera may have this address."""
    plain = getattr(address, "ipv4_mapped", None) or address
    if any(plain in network for network in allowed):
        return True
    return not (plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_multicast)


def _file(url: str, folder: Path | None) -> Path:
    path = Path(unquote(urlsplit(url).path)).resolve()
    if folder is None or not path.is_relative_to(folder.expanduser().resolve()):
        raise UnavailableError("a camera's file should lie in the folder that CROWDWATCH_CAMERA_FOLDER names")
    if not path.is_file():
        raise UnavailableError(f"there is no file {path.name} in the folder of cameras' files")
    return path
