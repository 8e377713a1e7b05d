"""What `crowdwatch status` tells: the noted state of a data directory, held against what answers now."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from contracts.errors import UnavailableError
from ops.datadir import SERVER_ADDRESSES, ProcessState, SystemState
from ops.roles import flower_health_url, probe_http, readiness_url
from ops.servers.local import probe_server
from ops.supervisor import State
from settings import Settings


def live_state(noted: SystemState, settings: Settings) -> SystemState:
    """Ask every process that was noted whether it answers now, all at the same time.

    `settings` tell how the servers that are not of this system are spoken to.
    """
    noted_servers = {name: getattr(noted, name) for name in SERVER_ADDRESSES} | noted.kafka_sign_in
    settings = settings.model_copy(update=noted_servers)
    supervised = noted.supervisor.running

    def look(process: ProcessState) -> ProcessState:
        return replace(process, state=_state(noted, process, settings, supervised).value)

    processes = (*noted.roles, *noted.servers)
    with ThreadPoolExecutor(max(1, len(processes))) as pool:
        looked = list(pool.map(look, processes))
    return replace(noted, roles=tuple(looked[: len(noted.roles)]), servers=tuple(looked[len(noted.roles) :]))


def _state(noted: SystemState, process: ProcessState, settings: Settings, supervised: bool) -> State:
    if process.external:
        return State.READY if _answers(noted, process, settings) else State.FAILED
    failed = process.state == State.FAILED.value
    if process.ref.running and _answers(noted, process, settings):
        return State.READY
    if not supervised and not process.ref.running:
        return State.STOPPED
    return State.FAILED if failed else State.STARTING


def _answers(noted: SystemState, process: ProcessState, settings: Settings) -> bool:
    try:
        if process.metrics_url is not None:
            probe_http(readiness_url(process.metrics_url))
        elif process.name == "flower":
            probe_http(flower_health_url(noted.flower_url))
        else:
            probe_server(process.name, settings)
    except UnavailableError:
        return False
    return True


def public_state(state: SystemState) -> dict[str, Any]:
    """Return the fields of `crowdwatch status --json`. Addresses are whole: a caller connects with them."""
    return {
        "kafka_bootstrap_servers": state.kafka_bootstrap_servers,
        "redis_url": state.redis_url,
        "mongodb_uri": state.mongodb_uri,
        "web_url": state.web_url,
        "flower_url": state.flower_url,
        "roles": [
            {"name": role.name, "pid": role.pid, "state": role.state, "metrics_url": role.metrics_url}
            for role in state.roles
        ],
        "servers": [{"name": server.name, "pid": server.pid, "state": server.state} for server in state.servers],
    }


def is_ready(state: SystemState) -> bool:
    """Whether every role and server answers."""
    return all(process.state == State.READY.value for process in (*state.roles, *state.servers))


def without_password(url: str) -> str:
    """Return an address that may be shown."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@", 1) if password else url
