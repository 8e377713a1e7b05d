"""What every Kafka client of the project has in common."""

import os
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from kafka.errors import KafkaConnectionError, KafkaTimeoutError, SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from contracts.errors import UnavailableError
from settings import Settings

_PROTOCOL_SLACK_BYTES = 256 * 1024
_MISMATCHES = ("socket disconnected", "Handshake failed", "Invalid frame length")
"""How kafka-python tells of a listener that speaks otherwise; the last is an alert of TLS, read as a length."""

Client = TypeVar("Client")


def common_config(settings: Settings, part: str) -> dict[str, Any]:
    """Return the options that producers, consumers and admin clients share; `part` names the client in broker logs."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "client_id": f"crowdwatch-{part}-{os.getpid()}",
        "reconnect_backoff_max_ms": 2000,
        "receive_message_max_bytes": max(100_000_000, 2 * max_record_bytes(settings)),
        **_security(settings),
    }


def _security(settings: Settings) -> dict[str, Any]:
    """Return the options of TLS and of the sign-in, each where the protocol has it."""
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options |= {"ssl_cafile": settings.tls_ca_file, "ssl_certfile": settings.tls_certificate_file}
    if protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password,
        }
    return options


def consumer_config(settings: Settings, part: str) -> dict[str, Any]:
    """Return the options of every consumer: records of aborted transactions are not seen, and no topic is made."""
    return common_config(settings, part) | {
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
    }


def max_record_bytes(settings: Settings) -> int:
    """Largest record in bytes: the largest picture with its headers."""
    return settings.max_picture_bytes + _PROTOCOL_SLACK_BYTES


def connect(make: Callable[..., Client], config: dict[str, Any]) -> Client:
    """Make a Kafka client, whose constructor connects; when it fails, close what kafka-python leaves open.

    Raises:
        UnavailableError: no broker lets us in, with the reason of the last one that was tried.
        KafkaError: an option is wrong.
    """
    opened: list[tuple[KafkaNetClient, _Manager]] = []

    def open_connection(**options: Any) -> KafkaNetClient:
        net = NetworkSelector(**options)
        manager = _Manager(net, **options)
        opened.append((KafkaNetClient(net=net, manager=manager), manager))
        return opened[-1][0]

    try:
        return make(**config, kafka_client=open_connection)
    except BaseException as error:
        refusals = [manager.refusal for _, manager in opened if manager.refusal is not None]
        for client, _ in opened:
            client.close()
        if isinstance(error, (KafkaTimeoutError, SaslAuthenticationFailedError)):
            raise UnavailableError(_explain(config, next(iter(refusals), error))) from error
        raise


class _Manager(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python carries no types
    """Remembers why the last connection came to nothing: kafka-python tells that to its log alone, and tries on."""

    def __init__(self, net: NetworkSelector, **options: Any) -> None:
        super().__init__(net, **options)
        self.refusal: BaseException | None = None

    def get_connection(self, node_id: Any, **options: Any) -> KafkaConnection:
        connection = super().get_connection(node_id, **options)
        if not connection.init_future.is_done:
            connection.init_future.add_errback(partial(self._remember, connection))
        return connection

    def _remember(self, connection: KafkaConnection, error: BaseException) -> None:
        """Note an error of a connection that was not closed by ourselves; that a sign-in failed says the most.

        A broker that refuses a sign-in answers and hangs up; kafka-python loses the answer when it comes together with
        the end. A connection that has told the broker's version has come as far as the sign-in.
        """
        if (
            self.closed
            or isinstance(error, KafkaTimeoutError)
            or isinstance(self.refusal, SaslAuthenticationFailedError)
        ):
            return
        signing_in = self.config["security_protocol"].startswith("SASL") and connection.broker_version_data is not None
        if signing_in and isinstance(error, KafkaConnectionError):
            error = SaslAuthenticationFailedError("the broker ended the connection")
        self.refusal = error


def _explain(config: dict[str, Any], error: BaseException) -> str:
    """Say in one line which brokers do not let us in, and why."""
    servers, protocol = ",".join(config["bootstrap_servers"]), config["security_protocol"]
    said = re.sub(r"^(\[Error \d+\] )?(\w+Error: )*", "", str(error))
    if isinstance(error, SaslAuthenticationFailedError):
        who = f"{config['sasl_plain_username']!r} by {config['sasl_mechanism']}"
        return f"Kafka at {servers} refuses the sign-in of {who}: {said}"
    hint = ""
    if "CERTIFICATE_VERIFY_FAILED" in said:
        hint = "; CROWDWATCH_TLS_CA_FILE names those who may vouch for it"
    elif isinstance(error, KafkaTimeoutError) or said.startswith(_MISMATCHES):
        hint = f"; CROWDWATCH_KAFKA_SECURITY_PROTOCOL is {protocol}, does its listener speak that?"
    return f"Kafka at {servers} does not answer: {said}{hint}"
