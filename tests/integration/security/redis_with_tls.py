"""A Redis server that speaks TLS: those in Python's wheels are built without."""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RedisProgram:
    """A server, and what its environment needs beside the usual."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def find_redis_with_tls(cache_dir: Path) -> RedisProgram | None:
    """Return the one on the PATH, else that of Debian, unpacked in the cache and not installed; None without either."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and b"SSL_CTX_new" in Path(path).read_bytes():
            return RedisProgram(Path(path))
    folder = cache_dir / "redis-with-tls"
    if not folder.is_dir() and shutil.which("apt-get"):
        try:
            _unpack(folder)
        except subprocess.CalledProcessError as error:
            log.warning("%s: %s", error, error.stderr)
    if not folder.is_dir():
        return None
    libraries = next(folder.glob("usr/lib/*-linux-gnu*"))
    return RedisProgram(folder / "redis-server", {"LD_LIBRARY_PATH": str(libraries)})


def _unpack(folder: Path) -> None:
    """Bring the package that has the server, and the libraries that it names; the folder appears when it is whole."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _download(partial)
    except subprocess.CalledProcessError:
        if os.geteuid():
            raise
        _run("apt-get", "update", "-qq", folder=partial)
        _download(partial)
    for package in partial.glob("*.deb"):
        _run("dpkg", "--extract", package.name, ".", folder=partial)
    (partial / "redis-server").symlink_to("usr/bin/redis-check-rdb")  # one program, which goes by its name
    partial.rename(folder)


def _download(folder: Path) -> None:
    libraries = set(re.findall(r"Depends: (lib\S+)", _run("apt-cache", "depends", "redis-tools", folder=folder)))
    libraries.discard("libc6")
    _run("apt-get", "download", "-qq", "redis-tools", *libraries, folder=folder)


def _run(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=240).stdout
