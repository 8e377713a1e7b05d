"""The compose file is valid, hardened, without a password that works, and runs what is there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import yaml

from ops.ports import free_ports
from ops.servers.binaries import find_redis_server
from settings import Settings
from settings.model import is_loopback
from tests.integration.deploy.containers import check_command, check_environment, expected_roles

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("crowdwatch:")}
TOOLS = Path(sys.executable).parent


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_follows_the_specification() -> None:
    run(str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE))


def test_a_linter_of_security_finds_nothing() -> None:
    run(str(TOOLS / "compose-lint"), "check", "--strict-config", "--fail-on", "low", "--no-env", str(FILE))


def test_every_role_has_a_service_and_so_has_every_server_and_what_watches_them() -> None:
    always = {name for name, one in SERVICES.items() if "profiles" not in one}
    assert expected_roles() | {"kafka", "redis", "mongodb", "prometheus", "grafana"} == always
    assert {name: one["profiles"] for name, one in SERVICES.items() if "profiles" in one} == {
        "worker-gpu": ["gpu"],
        "camera-sample": ["sample"],
        "kafka-ui": ["tools"],
        "jaeger": ["traces"],
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    user, _, _ = service["user"].partition(":")
    assert int(user) > 0
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    for port in service.get("ports", ()):
        host, published, inside = port.split(":")
        assert is_loopback(host) and published == inside


@pytest.mark.parametrize("name", OURS)
def test_a_role_runs_what_is_there_with_settings_that_exist(name: str) -> None:
    check_command(OURS[name]["command"])
    check_environment(OURS[name]["environment"])


@pytest.mark.parametrize("name", OURS)
def test_what_a_role_is_told_by_value_is_accepted(name: str) -> None:
    told = {key: value for key, value in OURS[name]["environment"].items() if value and not key.endswith("_FILE")}
    Settings.from_environment(told)


def test_the_collector_of_traces_is_where_the_file_says() -> None:
    text = FILE.read_text("utf-8")
    (told,) = set(re.findall(r"http://jaeger:\d+", text + (ROOT / "docs/deployment/compose.md").read_text("utf-8")))
    assert Settings.from_environment({"CROWDWATCH_OTLP_ENDPOINT": told}).otlp_endpoint == "http://jaeger:4318"
    assert "inside" in SERVICES["jaeger"]["networks"]
    for name in ("worker", "worker-gpu", "sink"):
        passed_on = {key for key, value in OURS[name]["environment"].items() if value is None}
        assert passed_on == {"CROWDWATCH_OTLP_ENDPOINT", "CROWDWATCH_TRACE_SHARE"}


def test_the_page_of_the_system_is_told_of_every_role() -> None:
    settings = Settings.from_environment({"CROWDWATCH_ROLE_URLS": OURS["web"]["environment"]["CROWDWATCH_ROLE_URLS"]})
    told = dict(pair.split("=", 1) for pair in settings.role_urls)
    assert set(told) == expected_roles() - {"web", "flower"}
    assert {name: urlsplit(url).hostname for name, url in told.items()} == {name: name for name in told}


def test_secrets_come_by_file_and_are_made_by_the_script(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets.sh"
    script.write_text((ROOT / "deploy/compose/make-secrets.sh").read_text("utf-8"))
    folder = tmp_path / "secrets"
    texts = []
    for _ in range(2):
        run("sh", str(script))
        texts.append({file.name: file.read_text() for file in folder.iterdir()})
    assert texts[0] == texts[1], "what is there stays"
    assert folder.stat().st_mode & 0o777 == 0o700
    declared = {name: Path(one["file"]) for name, one in COMPOSE["secrets"].items()}
    assert {path.name for path in declared.values()} == set(texts[0]) == set(declared)
    used = {
        use if isinstance(use, str) else use["source"] for one in SERVICES.values() for use in one.get("secrets", ())
    }
    assert used == set(declared)
    for one in SERVICES.values():
        for name, value in one.get("environment", {}).items():
            assert "PASSWORD" not in name or name.endswith("_FILE"), f"{name}={value}"
    secrets = {"REDIS_URL": "redis_url", "MONGODB_URI": "mongodb_uri", "CROWDWATCH_FLOWER_SIGN_IN": "flower_sign_in"}
    settings = Settings.from_environment({f"{name}_FILE": str(folder / file) for name, file in secrets.items()})
    assert urlsplit(settings.redis_url).password == texts[0]["redis_password"]
    assert urlsplit(settings.mongodb_uri).password == texts[0]["mongodb_password"]
    passwords = [text for name, text in texts[0].items() if name.endswith("_password")]
    assert len(set(passwords)) == len(passwords) and all(len(password) >= 32 for password in passwords)


def test_redis_takes_the_users_of_the_script_and_nobody_else(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets.sh"
    script.write_text((ROOT / "deploy/compose/make-secrets.sh").read_text("utf-8"))
    run("sh", str(script))
    (port,) = free_ports(1)
    users = tmp_path / "secrets/redis_users"
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--aclfile", str(users)]
    command = [str(find_redis_server().path), *options, "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = (tmp_path / "secrets/redis_url").read_text().replace("@redis:6379", f"@127.0.0.1:{port}")
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.2), 50)
    try:
        with redis.Redis.from_url(url, retry=retry) as client:
            assert client.ping()
            assert client.lpush("detect", "task") == 1
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.config_get("dir")
        with redis.Redis(port=port) as nobody, pytest.raises(redis.exceptions.AuthenticationError):
            nobody.ping()
    finally:
        process.terminate()
        process.wait(10)


def test_the_image_has_both_targets_and_the_service_of_a_gpu_uses_its_own() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    for target in ("cpu", "gpu"):
        assert f" AS {target}\n" in dockerfile
    assert OURS["worker-gpu"]["build"]["target"] == "gpu"
    assert {one["build"]["target"] for name, one in OURS.items() if name != "worker-gpu"} == {"cpu"}
    stages = dockerfile.split("\nFROM ")
    for stage in stages:
        if stage.partition("\n")[0].endswith((" AS cpu", " AS gpu")):
            assert "\nUSER 10001:10001\n" in stage
    for name in ("requirements.txt", "deploy/requirements-gpu.txt"):
        assert "--hash=sha256:" in (ROOT / name).read_text("utf-8")
    assert dockerfile.count("--require-hashes") == 3
