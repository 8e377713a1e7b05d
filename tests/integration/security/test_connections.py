"""Kafka, Redis and MongoDB with TLS and sign-in: who comes in, and what those are told who do not."""

import gc
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from contracts.errors import UnavailableError
from contracts.tasks import QUEUE_INTERACTIVE, DetectRange
from messaging.admin import ensure_topics, ping_kafka
from messaging.tasks import TaskQueue, ping_redis
from ops.commands.doctor import command
from settings import Settings
from storage.client import ping_mongodb
from tests.integration.security.certificates import Certificates
from tests.integration.security.conftest import PASSWORD
from web.access.limits import RateLimits

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(r"ignore:unclosed <ssl\.SSLSocket:ResourceWarning"),
    pytest.mark.filterwarnings(r"ignore:unclosed <socket\.socket:ResourceWarning"),
]

TIMEOUT_S = 2.0
WRONG = "not-the-one"


@pytest.fixture(autouse=True)
def sockets_of_refused_connections() -> Iterator[None]:
    """kafka-python leaves them to the collector."""
    yield
    gc.collect()


def told(ping: Callable[[Settings, float], None], settings: Settings, **changes: Any) -> str:
    """What is said when a server does not let us in: one line, without a password."""
    with pytest.raises(UnavailableError) as caught:
        ping(settings.model_copy(update=changes), TIMEOUT_S)
    line = str(caught.value)
    assert "\n" not in line and PASSWORD not in line and WRONG not in line
    return line


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafka_lets_in_who_signs_in(secured: Settings, mechanism: str) -> None:
    settings = secured.model_copy(update={"kafka_sasl_mechanism": mechanism, "tls_certificate_file": None})
    ping_kafka(settings)
    line = told(ping_kafka, settings, kafka_password=WRONG)
    address = settings.kafka_bootstrap_servers
    assert line.startswith(f"Kafka at {address} refuses the sign-in of 'crowdwatch' by {mechanism}: ")


def test_kafka_lets_in_who_shows_a_certificate(secured: Settings, kafka_mutual: str) -> None:
    settings = secured.model_copy(
        update={
            "kafka_bootstrap_servers": kafka_mutual,
            "kafka_security_protocol": "SSL",
            "kafka_username": None,
            "kafka_password": None,
        }
    )
    ping_kafka(settings)
    assert told(ping_kafka, settings, tls_certificate_file=None).startswith(
        f"Kafka at {kafka_mutual} does not answer: "
    )


def test_why_kafka_does_not_answer_is_told(secured: Settings, certificates: Certificates) -> None:
    start = f"Kafka at {secured.kafka_bootstrap_servers} does not answer: "
    line = told(ping_kafka, secured, tls_ca_file=certificates.stranger)
    assert line.startswith(start) and "CERTIFICATE_VERIFY_FAILED" in line and "CROWDWATCH_TLS_CA_FILE" in line
    for protocol in ("PLAINTEXT", "SASL_PLAINTEXT", "SSL"):
        line = told(ping_kafka, secured, kafka_security_protocol=protocol)
        assert line.startswith(start)
        assert line.endswith(f"CROWDWATCH_KAFKA_SECURITY_PROTOCOL is {protocol}, does its listener speak that?")


def test_redis_lets_in_who_signs_in(secured: Settings, certificates: Certificates) -> None:
    ping_redis(secured)
    address = urlsplit(secured.redis_url).netloc.rpartition("@")[2]
    line = told(ping_redis, secured, redis_url=secured.redis_url.replace(PASSWORD, WRONG))
    assert line.startswith(f"Redis at {address} refuses the sign-in in REDIS_URL: ")
    line = told(ping_redis, secured, tls_ca_file=certificates.stranger)
    assert line.startswith(f"Redis at {address} does not answer: ")
    assert "CERTIFICATE_VERIFY_FAILED" in line and "CROWDWATCH_TLS_CA_FILE" in line
    assert "CROWDWATCH_TLS_CERTIFICATE_FILE" in told(ping_redis, secured, tls_certificate_file=None)
    assert "rediss://" in told(ping_redis, secured, redis_url=secured.redis_url.replace("rediss:", "redis:"))


def _elsewhere(settings: Settings, certificates: Certificates) -> Settings:
    """Another database of Redis, whose certificate is vouched for by nobody we know."""
    url = f"{settings.redis_url.removesuffix('/0')}/1"
    return settings.model_copy(update={"redis_url": url, "tls_ca_file": certificates.stranger})


def test_celery_and_the_limits_check_the_certificate_of_redis_too(
    secured: Settings, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """Celery by itself would accept any certificate over rediss://. It keeps one pool for each address: hence two."""
    task = DetectRange(secured.topic_frames, 0, 0, 1, 1)
    for settings, trusted in (
        (secured, True),
        (_elsewhere(secured, certificates), False),
    ):
        queue, limits = TaskQueue(settings), RateLimits(settings)
        try:
            limits.count_request("somebody")
            assert ("CERTIFICATE_VERIFY_FAILED" in caplog.text) is not trusted
            if trusted:
                queue.enqueue(task, QUEUE_INTERACTIVE)
                assert queue.waiting(QUEUE_INTERACTIVE) == [task]
                queue.clear(QUEUE_INTERACTIVE)
            else:
                with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                    queue.enqueue(task, QUEUE_INTERACTIVE)
        finally:
            limits.close()
            queue.close()


def test_mongodb_lets_in_who_signs_in(secured: Settings, certificates: Certificates) -> None:
    ping_mongodb(secured)
    address = urlsplit(secured.mongodb_uri).netloc.rpartition("@")[2]
    start = f"MongoDB at {address} does not answer: "
    line = told(ping_mongodb, secured, mongodb_uri=secured.mongodb_uri.replace(PASSWORD, WRONG))
    assert line == f"{start}the sign-in in MONGODB_URI is refused: Authentication failed"
    line = told(ping_mongodb, secured, tls_ca_file=certificates.stranger)
    assert line.startswith(start) and "CERTIFICATE_VERIFY_FAILED" in line and "CROWDWATCH_TLS_CA_FILE" in line
    assert "CROWDWATCH_TLS_CERTIFICATE_FILE" in told(ping_mongodb, secured, tls_certificate_file=None)
    line = told(ping_mongodb, secured, mongodb_uri=secured.mongodb_uri.replace("&tls=true", ""))
    assert line.startswith(start) and "tls=true" in line


def test_the_doctor_says_who_does_not_let_us_in(
    secured: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def examine(settings: Settings) -> dict[str, tuple[str, str]]:
        for name in Settings.variables():
            monkeypatch.delenv(name, raising=False)
        for name, value in settings.to_environment().items():
            monkeypatch.setenv(name, value)
        said = CliRunner().invoke(command, ["--json", "--data-dir", str(tmp_path)])
        assert PASSWORD not in said.output and WRONG not in said.output
        return {check["check"]: (check["level"], check["message"]) for check in json.loads(said.output)["checks"]}

    ensure_topics(secured)
    found = examine(secured)
    assert {found[name][0] for name in ("kafka", "redis", "mongo", "topics", "clock")} == {"ok"}
    wrong = {"redis_url": secured.redis_url.replace(PASSWORD, WRONG), "kafka_password": WRONG}
    wrong["mongodb_uri"] = secured.mongodb_uri.replace(PASSWORD, WRONG)
    found = examine(secured.model_copy(update=wrong))
    for name, words in (("kafka", "refuses the sign-in"), ("redis", "refuses the sign-in"), ("mongo", "is refused")):
        level, message = found[name]
        assert (level, words in message) == ("problem", True), message
