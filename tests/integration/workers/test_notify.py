"""Alerts from the log to real receivers: an HTTP server and an SMTP server of the test's own."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from apprise.apprise import get_shared_executor
from prometheus_client import REGISTRY

from contracts.events import Alert, Severity
from contracts.notifications import Notifications
from contracts.offsets import OffsetRange
from messaging.admin import ensure_topics
from messaging.producer import Producer
from messaging.reader import LogReader
from settings import Settings
from storage.alerts import Alerts
from storage.client import connect
from storage.notifications import NotificationStore, PendingDelivery
from workers.notify import Notify
from workers.notify_channels import signature

ALERT = Alert("intrusion", Severity.CRITICAL, "gate-1", "Somebody is there", "e1", datetime.now(timezone.utc))


@pytest.fixture(scope="module", autouse=True)
def threads_of_apprise() -> Iterator[None]:
    """End the threads that apprise keeps for as long as the process lives."""
    yield
    get_shared_executor().shutdown()


class HookHandler(BaseHTTPRequestHandler):
    """Refuses as often as it is told, then takes what comes."""

    server: "Hook"

    def log_message(self, format: str, *args: object) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refuse = self.server.refusals > 0
        self.server.refusals -= refuse
        self.send_response(500 if refuse else 200)
        self.end_headers()
        if not refuse:
            self.server.taken.append((self.path, dict(self.headers), body))


class Hook(ThreadingHTTPServer):
    refusals = 0

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), HookHandler)


class MailHandler(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs to hand over a mail."""

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                self.server.mails.append(b"".join(lines).decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def __init__(self) -> None:
        self.mails: list[str] = []
        super().__init__(("127.0.0.1", 0), MailHandler)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def notifying(settings: Settings) -> Iterator[None]:
    """The role at work, as after a start."""
    role, stop = Notify(settings), threading.Event()
    role.start()
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        role.close()


def wait_until(condition, what: object = "") -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def deliveries_sent() -> float:
    """Return how many deliveries the role has counted as sent."""
    return REGISTRY.get_sample_value("crowdwatch_notify_deliveries_total", {"state": "sent"}) or 0.0


@pytest.fixture
def client(settings: Settings):
    client = connect(settings)
    yield client
    client.drop_database(settings.mongodb_database)
    client.close()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise, while it loads its services
def test_an_alert_reaches_every_channel_once(settings: Settings, client) -> None:
    hook, mail, sent_before = Hook(), MailServer(), deliveries_sent()
    port = hook.server_address[1]
    channels = [
        {"kind": "webhook", "name": "hook", "url": f"http://127.0.0.1:{port}/hook", "secret": "s3cret"},
        {"kind": "apprise", "name": "service", "url": f"json://127.0.0.1:{port}/apprise"},
        {"kind": "email", "name": "mail", "host": "127.0.0.1", "port": mail.server_address[1], "security": "none",
         "from": "crowd@example.org", "to": ["guard@example.org"]},
    ]  # fmt: skip
    rule = {"name": "all", "channels": ["hook", "service", "mail"], "cool_down_s": 3600}
    store, alerts = NotificationStore(client, settings), Alerts(client, settings)
    store.put(Notifications.model_validate({"channels": channels, "rules": [rule]}))
    alerts.put([ALERT])
    ensure_topics(settings)
    producer = Producer(settings)
    producer.start()
    hook.refusals = 1
    with serving(hook), serving(mail):
        with notifying(settings):
            for _ in range(2):  # the same alert twice, as after a crash of who raised it
                producer.send(settings.topic_alerts, ALERT.encode()).result(10)
            wait_until(lambda: len(hook.taken) == 2 and len(mail.mails) == 1, (hook.taken, mail.mails))
            document = client[settings.mongodb_database].alerts
            wait_until(lambda: len(document.find_one()["sent"]) == 3)
            second = Alert("intrusion", Severity.CRITICAL, "gate-2", "Again", "e2", datetime.now(timezone.utc))
            producer.send(settings.topic_alerts, second.encode()).result(10)
            wait_until(lambda: sum(one["state"] == "held" for one in store.newest(9)) == 3, "the rule cools down")
            store.add([PendingDelivery("test/1", "hook", None, None, 0)], datetime.now(timezone.utc))
            wait_until(lambda: store.find("test/1")["state"] == "sent")
        with notifying(settings):  # started anew: nothing is sent again
            producer.send(settings.topic_alerts, ALERT.encode()).result(10)
            time.sleep(3)
    producer.close()
    assert deliveries_sent() == sent_before + 4, "an alert over three channels, and a test"
    assert [one["ok"] for one in document.find_one()["sent"]] == [True] * 3
    hooks = [(headers, json.loads(body), body) for path, headers, body in hook.taken if path == "/hook"]
    assert [body["kind"] for _, body, _ in hooks] == ["alert", "test"]
    headers, body, raw = hooks[0]
    at_s = int(headers["X-Crowdwatch-Signature"].split(",")[0].removeprefix("t="))
    assert headers["X-Crowdwatch-Signature"] == signature("s3cret", at_s, raw)
    assert body["alert"]["alert_id"] == ALERT.alert_id
    [text] = mail.mails
    assert "Subject: Crowdwatch: Critical: Somebody is there" in text and "Camera: gate-1" in text


def test_what_is_no_alert_is_put_aside_once_and_the_next_alert_is_sent(settings: Settings, client) -> None:
    hook = Hook()
    channel = {"kind": "webhook", "name": "hook", "url": f"http://127.0.0.1:{hook.server_address[1]}/hook"}
    rule = {"name": "all", "channels": ["hook"], "cool_down_s": 0}
    store = NotificationStore(client, settings)
    store.put(Notifications.model_validate({"channels": [channel], "rules": [rule]}))
    ensure_topics(settings)
    producer, reader = Producer(settings), LogReader(settings)
    producer.start()
    reader.start()
    odd = [b"rubbish", b"[" * 100_000, b'{"rule": 1e999}', b"\xff\xfe", b'{"camera_id": "\\ud800"}']
    with serving(hook), notifying(settings):
        for value in odd:
            producer.send(settings.topic_alerts, value, key=b"gate-1").result(10)
        producer.send(settings.topic_alerts, ALERT.encode()).result(10)
        wait_until(lambda: hook.taken, "the alert behind them")
    dead = reader.read_range(settings.topic_dead, 0, OffsetRange(0, len(odd))).records
    producer.close()
    reader.close()
    assert [letter.value for letter in dead] == odd
    assert all(letter.key == b"gate-1" and letter.header("error") for letter in dead)
    counted = REGISTRY.get_sample_value("crowdwatch_notify_refused_total", {"reason": "contract"})
    assert counted is not None and counted >= len(odd)
