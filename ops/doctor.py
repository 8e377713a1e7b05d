"""The checks of `crowdwatch doctor`: what this machine needs, and how what runs on it is."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from contracts.errors import CrowdwatchError
from ops.datadir import DataDir, with_running_servers
from ops.ports import is_free
from ops.servers.binaries import Program, find_java, find_mongod, find_redis_server
from ops.servers.jars import jars_dir
from ops.servers.local import SERVER_OF_SETTING, external_servers, probe_server
from ops.status import live_state
from ops.supervisor import State
from settings import Settings

_GIB = 1024**3
_DISK_PROBLEM_GIB, _DISK_WARNING_GIB = 1, 10
_MEMORY_PROBLEM_GIB, _MEMORY_WARNING_GIB = 1.0, 2.5
_GPU_PROVIDERS = ("CUDA", "Tensorrt", "ROCM", "MIGraphX")

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Level
    message: str


def examine(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    """Yield a finding for each check."""
    folder = DataDir(data_dir)
    yield _python()
    yield from _programs(settings)
    yield _disk(folder.path)
    yield _memory()
    yield from _models(settings)
    yield _gpu()
    running = _running(settings, folder)
    yield from running or [_web_port(settings), *_external(settings)]
    yield from _servers_in_use(settings, folder, bool(running))


def _python() -> Finding:
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return Finding(
        "python", "ok" if supported else "problem", f"{platform.python_version()} (3.10 to 3.13 are supported)"
    )


def _programs(settings: Settings) -> Iterator[Finding]:
    """Look for what the servers that are started here need."""
    external = external_servers(settings)
    finders: dict[str, tuple[str, Callable[[], Program]]] = {
        "java": ("kafka", find_java),
        "redis-server": ("redis", find_redis_server),
        "mongod": ("mongo", find_mongod),
    }
    for name, (server, find) in finders.items():
        if server in external:
            continue
        try:
            program = find()
        except CrowdwatchError as error:
            yield Finding(name, "problem", str(error))
        else:
            level: Level = "ok" if program.version else "problem"
            yield Finding(name, level, f"{program.version or 'cannot be run'} ({program.path})")
    if "kafka" not in external:
        jars = jars_dir(settings.cache_dir)
        known = f"Kafka's jars are in {jars}" if jars.is_dir() else "Kafka's jars will be fetched at the first start"
        yield Finding("kafka", "ok" if jars.is_dir() else "warning", known)


def _disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / _GIB
    level = _level(free, _DISK_PROBLEM_GIB, _DISK_WARNING_GIB)
    advice = (
        ""
        if level == "ok"
        else ": make room, choose another --data-dir, or keep less (CROWDWATCH_FRAMES_RETENTION_MIB)"
    )
    return Finding("disk", level, f"{free:.1f} GiB free at {folder}{advice}")


def _memory() -> Finding:
    available = psutil.virtual_memory().available / _GIB
    level = _level(available, _MEMORY_PROBLEM_GIB, _MEMORY_WARNING_GIB)
    advice = "" if level == "ok" else ": end what is not needed, or set CROWDWATCH_WORKER_PROCESSES lower"
    return Finding("memory", level, f"{available:.1f} GiB available{advice}")


def _level(amount: float, problem_below: float, warning_below: float) -> Level:
    return "problem" if amount < problem_below else "warning" if amount < warning_below else "ok"


def _models(settings: Settings) -> Iterator[Finding]:
    """Hold the files of the model that the settings name against their sums."""
    from detection.manifest import find_model

    try:
        files = find_model(settings.model, settings.cache_dir).files.values()
    except CrowdwatchError as error:
        yield Finding("model", "problem", str(error))
        return
    for file in files:
        problem = file.problem()
        cure = f"`crowdwatch models fetch {settings.model}` brings it"
        if file.url is None:
            cure = "it comes with Crowdwatch, or with the model: bring it anew"
        advice = f": {problem}; {cure}" if problem else ": as it should be"
        yield Finding("model", "problem" if problem else "ok", f"{file.path.name}{advice}")


def _gpu() -> Finding:
    """Look for a GPU that the detector would use. To have none is no fault."""
    try:
        import onnxruntime
    except ImportError:
        return Finding("gpu", "ok", "none is used: ONNX Runtime is not installed, detection runs on the processor")
    providers = [name for name in onnxruntime.get_available_providers() if name.startswith(_GPU_PROVIDERS)]
    present = Path("/dev/nvidiactl").exists()
    if providers:
        return Finding("gpu", "ok" if present else "warning", f"ONNX Runtime offers {', '.join(providers)}")
    if present:
        return Finding(
            "gpu", "warning", "there is one, and nothing that uses it: install crowdwatch[gpu] in place of onnxruntime"
        )
    return Finding("gpu", "ok", "none; detection runs on the processor")


def _servers_in_use(settings: Settings, folder: DataDir, running: bool) -> Iterator[Finding]:
    """Look at the topics, and at the clocks, of the servers that run in the folder or are given."""
    from ops.server_checks import clock_finding, topics_findings

    if running:
        settings = with_running_servers(settings, folder)
    external = external_servers(settings)
    if running or "kafka" in external:
        for told in topics_findings(settings):
            yield Finding("topics", *told)
    if running or "mongo" in external:
        yield Finding("clock", *clock_finding(settings))


def _running(settings: Settings, folder: DataDir) -> list[Finding]:
    """Return a finding for each process of the system that runs in the folder; nothing when none does."""
    try:
        noted = folder.read_state()
    except CrowdwatchError as error:
        return [Finding("state", "problem", str(error))]
    if noted is None or not noted.supervisor.running:
        return []
    levels: dict[str, Level] = {State.READY: "ok", State.STARTING: "warning"}
    state = live_state(noted, settings)
    return [
        Finding(
            process.name,
            level := levels.get(process.state, "problem"),
            _told(process.name, process.state, level, folder),
        )
        for process in (*state.servers, *state.roles)
    ]


def _told(name: str, state: str, level: Level, folder: DataDir) -> str:
    return f"{state}: see {folder.logs / name}.log" if level == "problem" else state


def _web_port(settings: Settings) -> Finding:
    port = settings.web_port
    if not port or is_free(port, settings.web_host):
        return Finding("port", "ok", f"{port or 'any'}, for the web, is free")
    asked = "web_port" in settings.model_fields_set
    return Finding(
        "port", "problem" if asked else "warning", f"{port}, for the web, is in use: choose another with --port"
    )


def _external(settings: Settings) -> Iterator[Finding]:
    """Ask the servers whose address is given whether they answer."""
    for server in SERVER_OF_SETTING.values():
        if server in external_servers(settings):
            try:
                probe_server(server, settings)
            except CrowdwatchError as error:
                yield Finding(server, "problem", str(error))
            else:
                yield Finding(server, "ok", "answers")
