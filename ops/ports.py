"""Free ports on the loopback address."""

import random
import socket

_RANGE = range(20_000, 32_000)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return distinct free ports.

    They lie below those that the kernel gives to outgoing connections: otherwise one of these could take a server's
    port while the server is being restarted.
    """
    ports: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if is_free(port):
            ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError(f"no {count} free ports between {_RANGE.start} and {_RANGE.stop}")
