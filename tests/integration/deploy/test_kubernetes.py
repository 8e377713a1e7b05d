"""The manifests are valid, hardened, hang together, and run what is there."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from settings import Settings
from tests.integration.deploy.containers import check_command, check_environment, expected_roles

FOLDER = Path(__file__).parents[3] / "deploy/kubernetes"
VERSION = "1.33"
OF_OPERATORS = ("keda.sh/", "kafka.strimzi.io/", "mongodbcommunity.mongodb.com/", "monitoring.coreos.com/")
SECRET_KEYS = {"redis_url", "mongodb_uri", "flower_sign_in", "redis_username", "redis_password", "metrics_key"}


def documents(*folders: str) -> list[dict[str, Any]]:
    """Read what the kustomizations of these folders list, and see that they list all that is there."""
    found: list[dict[str, Any]] = []
    for folder in folders:
        listed = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text("utf-8"))["resources"]
        files = {name for name in listed if name.endswith(".yaml")}
        assert files == {file.name for file in (FOLDER / folder).glob("*.yaml")} - {"kustomization.yaml"}
        assert all((FOLDER / folder / name).exists() for name in listed)
        for name in sorted(files):
            found += yaml.safe_load_all((FOLDER / folder / name).read_text("utf-8"))
    return found


ALL = documents("base", "overlays/gpu", "overlays/traces", "examples")
OURS = documents("base", "overlays/gpu", "overlays/traces")
DEPLOYMENTS = [one for one in OURS if one["kind"] == "Deployment"]
PODS = [one for one in ALL if one["kind"] in ("Deployment", "StatefulSet")]


def name_of(document: dict[str, Any]) -> str:
    return f"{document['kind']}-{document['metadata']['name']}"


@pytest.mark.parametrize("document", ALL, ids=name_of)
def test_a_manifest_follows_the_schema_of_its_kind(document: dict[str, Any]) -> None:
    if document["apiVersion"].startswith(OF_OPERATORS):
        assert document["metadata"]["name"] and document["spec"]
    else:
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_every_role_has_a_deployment() -> None:
    assert {one["metadata"]["name"] for one in DEPLOYMENTS} == expected_roles() | {"worker-gpu"}


@pytest.mark.parametrize("document", PODS, ids=name_of)
def test_a_pod_is_hardened_probed_and_bounded(document: dict[str, Any]) -> None:
    labels = document["spec"]["selector"]["matchLabels"]
    assert labels.items() <= document["spec"]["template"]["metadata"]["labels"].items()
    pod = document["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"livenessProbe", "readinessProbe"} <= set(container)
        assert set(container["resources"]) == {"requests", "limits"}
        ports = {port["name"] for port in container["ports"]}
        for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
            probe = container.get(kind, {})
            for port in (probe.get(how, {}).get("port") for how in ("httpGet", "tcpSocket")):
                assert port is None or port in ports


@pytest.mark.parametrize("document", DEPLOYMENTS, ids=name_of)
def test_a_role_runs_what_is_there_with_settings_that_exist(document: dict[str, Any]) -> None:
    (container,) = document["spec"]["template"]["spec"]["containers"]
    check_command(container["command"])
    given = {one["name"]: one["value"] for one in container["env"]}
    check_environment(given)
    (source,) = container["envFrom"]
    (shared,) = [one["data"] for one in OURS if one["kind"] == "ConfigMap"]
    assert source["configMapRef"]["name"] == "crowdwatch-settings"
    check_environment(shared)
    by_value = {name: value for name, value in (shared | given).items() if not name.endswith("_FILE")}
    settings = Settings.from_environment(by_value)
    files = {value for name, value in given.items() if name.endswith("_FILE")}
    assert {Path(file).name for file in files} <= SECRET_KEYS
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "secrets"]
    assert {str(Path(file).parent) for file in files} == {mount["mountPath"]}
    (port,) = container["ports"]
    expected = {"web": settings.web_port, "flower": 5555}.get(document["metadata"]["name"], settings.health_port)
    assert port["containerPort"] == expected


def test_what_is_watched_scaled_and_allowed_exists() -> None:
    components = {one["metadata"]["name"] for one in DEPLOYMENTS}
    for one in OURS:
        if one["kind"] == "PodDisruptionBudget":
            assert one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] in components
        if one["kind"] == "Service":
            assert one["spec"]["selector"]["app.kubernetes.io/component"] in components
        if one["kind"] in ("PodMonitor", "NetworkPolicy"):
            selector = one["spec"].get("selector") or one["spec"]["podSelector"]
            for expression in selector.get("matchExpressions", ()):
                assert set(expression["values"]) <= components
            named = selector.get("matchLabels", {}).get("app.kubernetes.io/component")
            assert named is None or named in components


def test_traces_are_sent_where_the_network_lets_them() -> None:
    overlay = yaml.safe_load((FOLDER / "overlays/traces/kustomization.yaml").read_text("utf-8"))
    (patch,) = overlay["patches"]
    (shared,) = [one for one in OURS if one["kind"] == "ConfigMap"]
    assert patch["target"] == {"kind": "ConfigMap", "name": shared["metadata"]["name"]}
    added = {Path(one["path"]).name: one["value"] for one in yaml.safe_load(patch["patch"])}
    collector = urlsplit(Settings.from_environment(shared["data"] | added).otlp_endpoint or "")
    (policy,) = [one["spec"] for one in OURS if one["metadata"]["name"] == "to-collector"]
    (rule,) = policy["egress"]
    namespace = rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert (collector.hostname or "").split(".")[1] == namespace
    assert [port["port"] for port in rule["ports"]] == [collector.port]


def test_workers_are_scaled_by_what_the_bridge_has_not_settled() -> None:
    settings = Settings()
    (scaled,) = [one for one in OURS if one["kind"] == "ScaledObject"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == "worker"
    (workers,) = [one for one in DEPLOYMENTS if one["metadata"]["name"] == "worker"]
    assert "replicas" not in workers["spec"], "KEDA's number would be set back by every apply"
    kafka, queue = scaled["spec"]["triggers"]
    assert kafka["metadata"]["consumerGroup"] == f"{settings.group_prefix}-bridge"
    assert kafka["metadata"]["topic"] == settings.topic_frames
    (shared,) = [one["data"] for one in OURS if one["kind"] == "ConfigMap"]
    assert kafka["metadata"]["bootstrapServers"] == shared["KAFKA_BOOTSTRAP_SERVERS"]
    assert queue["metadata"]["listName"] == "interactive"


def test_every_role_may_be_drained_but_the_one_that_only_shows() -> None:
    budgets = {one["metadata"]["name"] for one in OURS if one["kind"] == "PodDisruptionBudget"}
    assert budgets == {one["metadata"]["name"] for one in DEPLOYMENTS} - {"flower"}


def test_no_secret_is_in_a_manifest() -> None:
    assert [name_of(one) for one in ALL if one["kind"] == "Secret"] == []
