"""Kafka, Redis and MongoDB that speak nothing but TLS and let nobody in without a sign-in."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.ports import free_ports
from ops.process import ProcessSpec
from ops.servers.binaries import find_java, find_mongod
from ops.servers.jars import ensure_jars
from ops.servers.kafka import Node, kafka_servers
from ops.servers.local import plain_environment
from ops.servers.mongo import mongo_server
from ops.servers.redis import redis_server
from ops.supervisor import Supervisor
from settings import Settings
from storage.client import connect
from tests.conftest import forgive_unclosed_sockets
from tests.integration.security.certificates import Certificates, make_certificates
from tests.integration.security.redis_with_tls import find_redis_with_tls
from tests.integration.workers.conftest import Fleet

_READY_TIMEOUT_S = 120
USER, PASSWORD = "crowdwatch", "kept-to-ourselves"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of these servers and of their clients."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def kafka_mutual() -> str:
    """Where Kafka lets in those who show a certificate."""
    [port] = free_ports(1)
    return f"localhost:{port}"


@pytest.fixture(scope="module")
def secured(
    certificates: Certificates,
    kafka_mutual: str,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[Settings]:
    """Settings that lead into the three servers. Redis and MongoDB ask clients for a certificate too."""
    folder = tmp_path_factory.mktemp("secured")
    environment = plain_environment(Settings())
    kafka_port, controller_port, redis_port, mongo_port = free_ports(4)
    settings = Settings(
        kafka_bootstrap_servers=f"localhost:{kafka_port}",
        kafka_security_protocol="SASL_SSL",
        kafka_username=USER,
        kafka_password=PASSWORD,
        redis_url=f"rediss://{USER}:{PASSWORD}@localhost:{redis_port}/0",
        mongodb_uri=f"mongodb://{USER}:{PASSWORD}@localhost:{mongo_port}/?authSource=FaceDetectionDB&tls=true",
        tls_ca_file=certificates.authority,
        tls_certificate_file=certificates.client,
        partitions=1,
        auth="off",
        web_port=0,
        worker_processes=1,
    )
    specs = [
        *_kafka(settings, folder, certificates, Node(1, kafka_port, controller_port), kafka_mutual, environment),
        _redis(settings, folder, certificates, redis_port, environment),
        _mongo(settings, folder, certificates, mongo_port, environment),
    ]
    supervisor = Supervisor((specs,), folder / "logs", lambda process, what: None)
    supervisor.start()
    try:
        supervisor.wait_ready(_READY_TIMEOUT_S)
        _make_users_of_mongodb(settings, mongo_port)
        for brokers in (settings.kafka_bootstrap_servers, kafka_mutual):
            forgive_unclosed_sockets(pytestconfig, brokers)
        yield settings
    finally:
        supervisor.stop()


@pytest.fixture
def fleet(secured: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """Roles that write all that they have to say into their logs; nothing is started yet."""
    fleet = Fleet(secured.model_copy(update={"log_level": "DEBUG", "cache_dir": tmp_path / "cache"}), tmp_path)
    yield fleet
    fleet.stop()


def _kafka(
    settings: Settings,
    folder: Path,
    certificates: Certificates,
    node: Node,
    mutual: str,
    environment: dict[str, str],
) -> list[ProcessSpec]:
    """Two listeners: one with sign-in, which `settings` leads to, and `mutual` for those who show a certificate."""
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    listeners = f"SASL_SSL://localhost:{node.port},SSL://{mutual}"
    return kafka_servers(
        settings,
        folder / "kafka",
        find_java().path,
        ensure_jars(settings.cache_dir, lambda done, total: None),
        [node],
        environment,
        more={
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SSL",
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.authority),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{module} required user_{USER}="{PASSWORD}";',
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": _SCRAM,
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _SCRAM,
        },
        format_arguments=[
            argument
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for argument in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
        ],
    )


_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def _redis(
    settings: Settings, folder: Path, certificates: Certificates, port: int, environment: dict[str, str]
) -> ProcessSpec:
    program = find_redis_with_tls(settings.cache_dir)
    if program is None:
        fail = pytest.fail if os.environ.get("CI") else pytest.skip
        fail("no redis-server with TLS on the PATH, and no apt-get that brings one")
    users = folder / "redis-users"
    users.write_text(f"user default off\nuser {USER} on >{PASSWORD} ~* &* +@all -@admin -@dangerous\n")
    return redis_server(
        settings,
        folder / "redis",
        program.path,
        port,
        {**environment, **program.environment},
        more={
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(certificates.server),
            "tls-key-file": str(certificates.server),
            "tls-ca-cert-file": str(certificates.authority),
            "tls-auth-clients": "yes",
            "aclfile": str(users),
        },
    )


def _mongo(
    settings: Settings, folder: Path, certificates: Certificates, port: int, environment: dict[str, str]
) -> ProcessSpec:
    return mongo_server(
        settings.model_copy(update={"mongodb_uri": _without_users(port)}),
        folder / "mongo",
        find_mongod().path,
        port,
        environment,
        more=(
            "--auth",
            "--tlsMode",
            "requireTLS",
            "--tlsCertificateKeyFile",
            str(certificates.server),
            "--tlsCAFile",
            str(certificates.authority),
        ),
    )


def _without_users(port: int) -> str:
    return f"mongodb://localhost:{port}/?tls=true"


def _make_users_of_mongodb(settings: Settings, port: int) -> None:
    """The first user may be made by anybody on this machine; it makes ours, who owns one database and nothing else."""
    with connect(settings.model_copy(update={"mongodb_uri": _without_users(port)})) as nobody:
        nobody.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
    root_uri = f"mongodb://root:{PASSWORD}@localhost:{port}/?tls=true"
    with connect(settings.model_copy(update={"mongodb_uri": root_uri})) as root:
        root[settings.mongodb_database].command("createUser", USER, pwd=PASSWORD, roles=["dbOwner"])
