"""Kafka's jars: fetched once from Maven Central by jgo, as the lock file names them, and kept in the cache."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import CrowdwatchError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK_FILE = Path(__file__).parent.parent / "kafka-jars.lock"

Progress = Callable[[int, int], None]
"""Told how many jars are here, and how many there are in all."""

_ATTEMPTS = 3
_PARALLEL = 6
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name on disk; two groups may own artifacts of one name."""
        return f"{self.group}.{self.artifact}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    """Read the lock file."""
    with LOCK_FILE.open("rb") as file:
        entries = tomllib.load(file)["dependencies"]
    return [Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"]) for entry in entries]


def jars_dir(cache_dir: Path) -> Path:
    """Where the jars of this lock file lie, once they are fetched: the folder is there whole or not at all."""
    digest = hashlib.sha256("".join(jar.sha256 for jar in locked_jars()).encode()).hexdigest()
    return cache_dir / f"kafka-{digest[:12]}"


def ensure_jars(cache_dir: Path, on_progress: Progress) -> Path:
    """Return the folder of Kafka's jars, after fetching them if they are not there yet.

    Safe to call from several processes at once: one fetches, the others wait for it. A fetch that is killed leaves
    a folder that the next one removes.

    Raises:
        CrowdwatchError: a jar cannot be fetched, or is not the one that the lock file names.
    """
    folder = jars_dir(cache_dir)
    if folder.is_dir():
        return folder
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(cache_dir / "kafka.lock"):
        if not folder.is_dir():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            (partial / "lib").mkdir(parents=True)
            _fetch(locked_jars(), partial, on_progress)
            os.replace(partial / "lib", folder)
            shutil.rmtree(partial)
    return folder


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold an advisory lock, which ends with the process at the latest."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(jars: list[Jar], partial: Path, on_progress: Progress) -> None:
    on_progress(0, len(jars))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        futures = [pool.submit(_fetch_one, jar, partial) for jar in jars]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                on_progress(done, len(jars))
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch_one(jar: Jar, partial: Path) -> None:
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext
    from requests import RequestException

    reason: Exception | None = None
    for attempt in range(_ATTEMPTS):
        repository = partial / f"repository-{attempt}"
        context = MavenContext(
            repo_cache=repository, local_repos=[], remote_repos={"central": MAVEN_CENTRAL_URL}, timeout=_TIMEOUT_S
        )
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            path: Path = artifact.resolve()
        except (RequestException, RuntimeError, OSError) as error:
            reason = error
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest == jar.sha256:
            os.replace(path, partial / "lib" / jar.file_name)
            return
        reason = CrowdwatchError(f"expected sha256 {jar.sha256}, got {digest}")
    raise CrowdwatchError(f"cannot fetch {jar.group}:{jar.artifact}:{jar.version}: {reason}") from reason
