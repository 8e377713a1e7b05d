"""How each role of a system on one machine is started."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial

import samples
from contracts.errors import UnavailableError
from ops.process import ProcessSpec
from settings import Settings

_PROBE_TIMEOUT_S = 2.0
SAMPLE_CAMERA = "sample"

_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def probe_http(url: str, timeout_s: float = _PROBE_TIMEOUT_S) -> None:
    """Return when `url` answers with success.

    Raises:
        UnavailableError: it does not.
    """
    try:
        with _without_proxy.open(url, timeout=timeout_s):
            return
    except (urllib.error.URLError, OSError) as error:
        raise UnavailableError(f"{url} does not answer: {error}") from error


def readiness_url(metrics_url: str) -> str:
    """Where a role that serves its metrics there tells whether it is ready."""
    return metrics_url.removesuffix("/metrics") + "/readyz"


def flower_health_url(url: str) -> str:
    """Where Flower tells that it is alive, without sign-in."""
    return f"{url}/healthcheck"


def web_url(settings: Settings) -> str:
    """Where a browser on this machine finds the web."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.web_host, settings.web_host)  # noqa: S104  # not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.web_port}"


def python_environment(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a Python process with these settings.

    Numeric libraries are kept to one thread: the worker's processes are as many as there are cores already.
    """
    one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**one_thread, **base, **settings.to_environment(), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def web_role(settings: Settings, base: Mapping[str, str]) -> ProcessSpec:
    """Return how the web is started; it serves its metrics itself."""
    url = web_url(settings)
    return _role("web", ("-m", "web"), python_environment(settings, base), f"{url}/metrics")


def worker_role(name: str, settings: Settings, base: Mapping[str, str], health_port: int) -> ProcessSpec:
    """Return how a role of `workers` is started."""
    return _on_port(name, ("-m", "workers", name), settings, base, health_port)


def sample_role(settings: Settings, base: Mapping[str, str], health_port: int) -> ProcessSpec:
    """Return how the sample clip is captured, over and over."""
    command = ("-m", "ops", "camera", "--id", SAMPLE_CAMERA, "--source", str(samples.CLIP), "--fps", "5", "--loop")
    return _on_port("sample", command, settings, base, health_port)


def flower(settings: Settings, base: Mapping[str, str], port: int) -> ProcessSpec:
    """Return how Flower is started, on loopback; `settings` hold its sign-in."""
    return ProcessSpec(
        name="flower",
        command=(sys.executable, "-m", "ops.flower", "--address=127.0.0.1", f"--port={port}"),
        probe=partial(probe_http, flower_health_url(f"http://127.0.0.1:{port}")),
        environment=python_environment(settings, base),
    )


def _on_port(
    name: str, arguments: tuple[str, ...], settings: Settings, base: Mapping[str, str], port: int
) -> ProcessSpec:
    environment = python_environment(settings.model_copy(update={"health_port": port}), base)
    return _role(name, arguments, environment, f"http://127.0.0.1:{port}/metrics")


def _role(name: str, arguments: tuple[str, ...], environment: Mapping[str, str], metrics_url: str) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=(sys.executable, *arguments),
        probe=partial(probe_http, readiness_url(metrics_url)),
        environment=environment,
        metrics_url=metrics_url,
    )
