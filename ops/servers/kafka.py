"""Apache Kafka on this machine: one process that is broker and controller (KRaft), on loopback only."""

import base64
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from contracts.errors import CrowdwatchError, UnavailableError
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


def kafka_server(
    settings: Settings, folder: Path, java: Path, jars: Path, controller_port: int, environment: Mapping[str, str]
) -> ProcessSpec:
    """Prepare Kafka's folder and return how the broker is started, at the address in the settings.

    Raises:
        CrowdwatchError: the storage cannot be formatted; the message ends with what Kafka said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text(_properties(settings, folder / "log", controller_port))
    run_java = (str(java), *_JVM_FLAGS, "-cp", f"{jars}/*")
    if not (folder / "log").is_dir():
        _format(settings, folder, run_java, environment)
    return ProcessSpec(
        name="kafka",
        command=(*run_java, "kafka.Kafka", str(properties)),
        probe=partial(probe_kafka, settings),
        environment=environment,
    )


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


def _format(settings: Settings, folder: Path, run_java: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Format the storage in a folder beside, which takes its name when it is whole."""
    partial_folder = folder / "log.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    properties = folder / "format.properties"
    properties.write_text(_properties(settings, partial_folder, controller_port=1))
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [*run_java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(environment))
    if done.returncode:
        raise CrowdwatchError(f"Kafka cannot format {folder}:\n{(done.stdout + done.stderr)[-2000:]}")
    os.replace(partial_folder, folder / "log")
    properties.unlink()


def _properties(settings: Settings, log_dir: Path, controller_port: int) -> str:
    record_bytes = settings.max_picture_bytes + _RECORD_SLACK_BYTES
    broker = settings.kafka_bootstrap_servers
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        # A fixed voter, not one kept in the metadata log: the port may be another at the next start.
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "log.dirs": log_dir,
        "auto.create.topics.enable": "false",
        "message.max.bytes": record_bytes,
        "replica.fetch.max.bytes": record_bytes,
        "socket.request.max.bytes": max(104_857_600, 2 * record_bytes),
        "num.network.threads": 2,
        "num.io.threads": 4,
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,  # a quarter of the default: it is taken from the heap
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())
