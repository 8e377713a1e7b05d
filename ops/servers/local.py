"""Which servers this machine has to start, and where they will be reached."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ConfigurationError
from ops.ports import free_ports
from ops.private_files import kept_password
from ops.process import ProcessSpec
from ops.servers import mongo, redis
from ops.servers.binaries import find_java, find_mongod, find_redis_server
from ops.servers.jars import Progress, ensure_jars
from ops.servers.kafka import Node, kafka_servers, probe_kafka, with_sign_in
from settings import Settings

SERVER_OF_SETTING = {"kafka_bootstrap_servers": "kafka", "redis_url": "redis", "mongodb_uri": "mongo"}


@dataclass(frozen=True)
class LocalServers:
    """The servers to start, and the settings that lead to them."""

    settings: Settings
    specs: tuple[ProcessSpec, ...]


def external_servers(settings: Settings) -> list[str]:
    """Names of the servers whose address was given: these are used and not started."""
    return [server for name, server in SERVER_OF_SETTING.items() if name in settings.model_fields_set]


def probe_server(server: str, settings: Settings) -> None:
    """Return when the server of that name (kafka, redis or mongo) answers at its address in the settings.

    Raises:
        UnavailableError: it does not.
    """
    {"kafka": probe_kafka, "redis": redis.probe_redis, "mongo": mongo.probe_mongo}[server](settings)


def plan_servers(
    settings: Settings, data_dir: Path, on_progress: Progress, environment: Mapping[str, str], brokers: int = 1
) -> LocalServers:
    """Choose free ports and prepare the folders of the servers whose address is not given in `settings`.

    Args:
        settings: the addresses that are given.
        data_dir: where the servers keep their data.
        on_progress: told how many of Kafka's jars are there.
        environment: of the servers.
        brokers: how many processes Kafka runs as.

    Raises:
        ConfigurationError: Kafka is to be spoken to otherwise than the one that is started here speaks.
        UnavailableError: a server whose address is given does not answer.
        CrowdwatchError: a program is missing, or something cannot be fetched or prepared; the message says what.
    """
    redis_port, mongo_port, *ports = free_ports(2 + 2 * brokers)
    nodes = [Node(number, ports[2 * number - 2], ports[2 * number - 1]) for number in range(1, brokers + 1)]
    external = external_servers(settings)
    for server in external:
        probe_server(server, settings)
    passwords = {server: kept_password(data_dir / f"{server}-password") for server in ("redis", "mongo")}
    kafka_more: dict[str, str] = {}
    if "kafka" not in external and settings.kafka_security_protocol != "PLAINTEXT":
        if settings.kafka_security_protocol != "SASL_PLAINTEXT" or brokers > 1:
            raise ConfigurationError(
                f"CROWDWATCH_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}, but without "
                "KAFKA_BOOTSTRAP_SERVERS a Kafka is started here, on loopback: PLAINTEXT lets every local user in, "
                "SASL_PLAINTEXT asks for CROWDWATCH_KAFKA_USERNAME and CROWDWATCH_KAFKA_PASSWORD"
            )
        settings = settings.model_copy(update={"kafka_sasl_mechanism": "PLAIN"})
        kafka_more = with_sign_in(nodes[0], settings.kafka_username or "", settings.kafka_password or "")
    addresses = {
        "kafka_bootstrap_servers": ",".join(f"127.0.0.1:{node.port}" for node in nodes),
        "redis_url": f"redis://{redis.USER}:{passwords['redis']}@127.0.0.1:{redis_port}/0",
        "mongodb_uri": f"mongodb://{mongo.USER}:{passwords['mongo']}@127.0.0.1:{mongo_port}/?authSource=admin",
    }
    wanted = {name: value for name, value in addresses.items() if SERVER_OF_SETTING[name] not in external}
    settings = settings.model_copy(update=wanted)

    def make_kafka() -> list[ProcessSpec]:
        jars = ensure_jars(settings.cache_dir, on_progress)
        return kafka_servers(settings, data_dir / "kafka", find_java().path, jars, nodes, environment, more=kafka_more)

    def make_redis() -> list[ProcessSpec]:
        folder, users = data_dir / "redis", data_dir / "redis-users"
        redis.write_users(users, passwords["redis"])
        more = {"aclfile": str(users)}
        return [redis.redis_server(settings, folder, find_redis_server().path, redis_port, environment, more)]

    def make_mongo() -> list[ProcessSpec]:
        folder, mongod = data_dir / "mongo", find_mongod().path
        mongo.ensure_user(settings, folder, mongod, passwords["mongo"], environment)
        return [mongo.mongo_server(settings, folder, mongod, mongo_port, environment, mongo.WITH_SIGN_IN)]

    makers: dict[str, Callable[[], list[ProcessSpec]]] = {"kafka": make_kafka, "redis": make_redis, "mongo": make_mongo}
    with ThreadPoolExecutor(len(makers)) as pool:
        made = pool.map(lambda make: make(), [make for name, make in makers.items() if name not in external])
        return LocalServers(settings, tuple(spec for specs in made for spec in specs))


def plain_environment(settings: Settings) -> dict[str, str]:
    """Return this process' environment without anything that is a setting: a base for the children's."""
    known = settings.variables()
    return {name: value for name, value in os.environ.items() if name not in known}
