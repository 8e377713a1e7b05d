"""Apache Kafka on this machine: processes that each are broker and controller (KRaft), on loopback only."""

import base64
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from contracts.errors import CrowdwatchError, UnavailableError
from ops.private_files import write_private
from ops.process import ProcessSpec
from settings import Settings

_LOG4J_FILE = Path(__file__).parent.parent / "kafka-log4j2.properties"
_PROBE_TIMEOUT_S = 2.0
_RECORD_SLACK_BYTES = 1024 * 1024  # more than any topic's own limit adds for key and headers

# A short start counts here, not the last per cent of throughput: docs/adr/0005 has the measurements.
_JVM_FLAGS = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    f"-Dlog4j2.configurationFile={_LOG4J_FILE}",
)


@dataclass(frozen=True)
class Node:
    """One process of a cluster, by its ports."""

    number: int
    port: int
    controller_port: int


def kafka_servers(
    settings: Settings,
    folder: Path,
    java: Path,
    jars: Path,
    nodes: Sequence[Node],
    environment: Mapping[str, str],
    more: Mapping[str, str] = MappingProxyType({}),
    format_arguments: Sequence[str] = (),
) -> list[ProcessSpec]:
    """Prepare a folder for each node of one cluster, and return how they are started.

    A single node is named `kafka` and keeps its log in `folder`; several are named `kafka-1` and so on, and replicate
    what their topics say. `more` has further properties, which go before ours; `format_arguments` are those of the
    storage tool, which makes users of SCRAM.

    Raises:
        CrowdwatchError: the storage cannot be formatted; the message ends with what Kafka said.
    """
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    specs = []
    for node in nodes:
        name = "kafka" if len(nodes) == 1 else f"kafka-{node.number}"
        home = folder if len(nodes) == 1 else folder / name
        home.mkdir(parents=True, exist_ok=True)
        properties = home / "server.properties"
        write_private(properties, _properties(settings, home / "log", node, nodes, more))
        run_java = (str(java), *_JVM_FLAGS, "-cp", f"{jars}/*")
        if not (home / "log").is_dir():
            unformatted = _properties(settings, home / "log.partial", node, nodes, more)
            _format(home, unformatted, (f"--cluster-id={cluster_id}", *format_arguments), run_java, environment)
        specs.append(
            ProcessSpec(
                name=name,
                command=(*run_java, "kafka.Kafka", str(properties)),
                probe=partial(probe_kafka, settings.model_copy(update={"kafka_bootstrap_servers": _address(node)})),
                environment=environment,
            )
        )
    return specs


def with_sign_in(node: Node, user: str, password: str) -> dict[str, str]:
    """Return the properties by which a single node lets nobody in without a password (SASL, PLAIN)."""
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    listener = f"SASL_PLAINTEXT://{_address(node)}"
    login = f'{module} required username="{user}" password="{password}" user_{user}="{password}";'
    return {
        "listeners": f"{listener},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": listener,
        "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": login,
    }


def probe_kafka(settings: Settings) -> None:
    """Ask whether the brokers answer; a port where nobody listens is told at once, without a Kafka client.

    Raises:
        UnavailableError: they do not.
    """
    from messaging.admin import ping_kafka  # imported while the server starts

    host, _, port = settings.kafka_bootstrap_servers.partition(",")[0].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_TIMEOUT_S).close()
    except OSError as error:
        raise UnavailableError(f"Kafka at {host}:{port} does not answer: {error}") from error
    ping_kafka(settings, _PROBE_TIMEOUT_S)


def _format(
    home: Path, properties: str, arguments: Sequence[str], run_java: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Format the storage in `log.partial`, which takes its name `log` when it is whole."""
    partial_folder = home / "log.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    file = home / "format.properties"
    write_private(file, properties)
    command = [*run_java, "kafka.tools.StorageTool", "format", *arguments, "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(environment))
    if done.returncode:
        raise CrowdwatchError(f"Kafka cannot format {home}:\n{(done.stdout + done.stderr)[-2000:]}")
    os.replace(partial_folder, home / "log")
    file.unlink()


def _address(node: Node) -> str:
    return f"127.0.0.1:{node.port}"


def _properties(settings: Settings, log_dir: Path, node: Node, nodes: Sequence[Node], more: Mapping[str, str]) -> str:
    record_bytes = settings.max_picture_bytes + _RECORD_SLACK_BYTES
    copies = min(3, len(nodes))
    values = {
        "process.roles": "broker,controller",
        "node.id": node.number,
        # Fixed voters, not those kept in the metadata log: the ports may be others at the next start.
        "controller.quorum.voters": ",".join(f"{one.number}@127.0.0.1:{one.controller_port}" for one in nodes),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{_address(node)},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{_address(node)}",
        "log.dirs": log_dir,
        "auto.create.topics.enable": "false",
        "message.max.bytes": record_bytes,
        "replica.fetch.max.bytes": record_bytes,
        "socket.request.max.bytes": max(104_857_600, 2 * record_bytes),
        "num.network.threads": 2,
        "num.io.threads": 4,
        "group.initial.rebalance.delay.ms": 0,
        "broker.session.timeout.ms": 3000,  # so soon the leaders of a broker that was killed are others
        "broker.heartbeat.interval.ms": 500,
        "controller.quorum.fetch.timeout.ms": 1000,  # and so soon they have another controller, where it was that one
        "controller.quorum.election.timeout.ms": 500,
        "metadata.max.idle.interval.ms": 5000,  # ten times the default: each time every controller writes a record
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "transaction.state.log.num.partitions": 4,
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,  # a quarter of the default: it is taken from the heap
        **more,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())
