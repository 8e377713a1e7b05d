"""The whole of Crowdwatch on one machine: which processes, with which addresses, in one data directory."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from contracts.errors import ConfigurationError
from ops.datadir import KAFKA_SIGN_IN, DataDir, ProcessRef, ProcessState, SystemState
from ops.flower.sign_in import ensure_sign_in
from ops.ports import free_ports, is_free
from ops.process import ProcessSpec
from ops.roles import flower, sample_role, web_role, web_url, worker_role
from ops.servers.jars import Progress
from ops.servers.local import plain_environment, plan_servers
from ops.supervisor import State, Supervised, Supervisor
from settings import Settings

SERVERS = ("kafka", "redis", "mongo", "flower")
ROLES = ("bridge", "worker", "sink", "analytics", "capture", "jobs", "notify", "media")


@dataclass(frozen=True)
class SystemPlan:
    """What will run: the settings of all, and the processes in the stages of their start."""

    settings: Settings
    stages: tuple[tuple[ProcessSpec, ...], ...]
    flower_url: str


def plan_system(settings: Settings, data_dir: DataDir, *, sample: bool, on_progress: Progress) -> SystemPlan:
    """Prepare servers and roles; nothing runs yet.

    Args:
        settings: servers whose address is given in them are used, the others are started.
        data_dir: where the servers keep their data; it must be locked.
        sample: whether the sample clip is captured, over and over.
        on_progress: told of what has to be fetched.

    Raises:
        CrowdwatchError: a program is missing, or something cannot be fetched or prepared.
    """
    base = plain_environment(settings)
    local = plan_servers(settings, data_dir.path, on_progress, base)
    flower_port, sample_port, *ports = free_ports(2 + len(ROLES))
    flower_url = f"http://127.0.0.1:{flower_port}"
    roles = [worker_role(name, local.settings, base, port) for name, port in zip(ROLES, ports, strict=True)]
    if sample:
        roles.append(sample_role(local.settings, base, sample_port))
    role_urls = tuple(f"{role.name}={role.metrics_url}" for role in roles)
    shown = local.settings.model_copy(update={"role_urls": role_urls, "flower_url": flower_url})
    roles.insert(0, web_role(shown, base))
    sign_in = ensure_sign_in(data_dir.path, local.settings.flower_sign_in)
    roles.append(flower(local.settings.model_copy(update={"flower_sign_in": sign_in}), base, flower_port))
    return SystemPlan(local.settings, (local.specs, tuple(roles)), flower_url)


def choose_web_port(settings: Settings, port: int | None, on_taken: Callable[[int, int], None]) -> Settings:
    """Return settings with the port that the web will bind.

    A port that was asked for (by option or environment) must be free; the default gives way, and `on_taken` is told
    the port that was taken and the one that is used.

    Raises:
        ConfigurationError: the port that was asked for is taken.
    """
    asked = port is not None or "web_port" in settings.model_fields_set
    wanted = settings.web_port if port is None else port
    if wanted and is_free(wanted, settings.web_host):
        return settings.model_copy(update={"web_port": wanted})
    if wanted and asked:
        raise ConfigurationError(
            f"port {wanted} is in use; choose another with --port, or leave it out for any free one"
        )
    (free,) = free_ports(1)
    if wanted:
        on_taken(wanted, free)
    return settings.model_copy(update={"web_port": free})


class System:
    """The plan at work: a supervisor whose every change is noted in the data directory."""

    def __init__(
        self, plan: SystemPlan, data_dir: DataDir, lock_fd: int, on_change: Callable[[Supervised, str], None]
    ) -> None:
        self.settings = plan.settings
        self.supervisor = Supervisor(plan.stages, data_dir.logs, self._changed, lock_fd)
        self.flower_url = plan.flower_url
        self.logs = data_dir.logs
        self._data_dir = data_dir
        self._on_change = on_change
        self._me = ProcessRef.of(os.getpid())
        self._note()

    def _changed(self, process: Supervised, what: str) -> None:
        self._note()
        self._on_change(process, what)

    def _note(self) -> None:
        """Write `state.json`."""
        known = {one.spec.name: _state_of(one) for one in self.supervisor.all}
        servers = [known.pop(name, ProcessState(name, 0, State.READY.value, external=True)) for name in SERVERS]
        settings = self.settings
        self._data_dir.write_state(
            SystemState(
                supervisor=self._me,
                kafka_bootstrap_servers=settings.kafka_bootstrap_servers,
                redis_url=settings.redis_url,
                mongodb_uri=settings.mongodb_uri,
                web_url=web_url(settings),
                flower_url=self.flower_url,
                roles=tuple(known.values()),
                servers=tuple(servers),
                kafka_sign_in={name: getattr(settings, name) for name in KAFKA_SIGN_IN},
            )
        )


def _state_of(one: Supervised) -> ProcessState:
    return ProcessState(one.spec.name, one.pid, one.state.value, one.create_time, one.spec.metrics_url)
