"""The notify role: alerts from `crowd.alerts` to the channels that rules name.

An alert becomes deliveries in MongoDB before its offset is committed, and a delivery's id is its alert and channel:
none is lost, and an alert that is read twice is sent once. A channel that fails is tried again, ever more rarely.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from prometheus_client import Counter

from contracts.cameras import Schedule
from contracts.errors import ContractError, UnavailableError
from contracts.events import Alert
from contracts.notifications import Channel, NotificationRule, Notifications
from messaging.admin import ensure_topics
from messaging.consumer import GroupConsumer
from messaging.dead import DeadLetters
from messaging.producer import Producer
from messaging.records import LogRecord
from messaging.refusals import Refusals, refusal_counter
from settings import Settings
from storage.camera_clocks import CameraClocks
from storage.client import connect
from storage.leases import NOTIFY, Leases
from storage.notifications import DeliveryState, NotificationStore, PendingDelivery
from workers.notify_channels import send
from workers.runner import Backoff, run_steps

log = logging.getLogger(__name__)

ATTEMPTS_AT_MOST = 6
_POLL_MS = 500
_FIRST_PAUSE = timedelta(seconds=5)
_CLAIMED_FOR = timedelta(seconds=60)
_OLD = timedelta(hours=6)
_SIGN_OF_LIFE_S = 30.0

REFUSED = refusal_counter("notify", "Records in crowd.alerts that are no alert, and went to frames.dead")
DELIVERIES = Counter("crowdwatch_notify_deliveries", "Deliveries that were settled", ["state"])


class Notify:
    """Owns partitions of the alerts' topic through a consumer group, and makes the deliveries that are due."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._settings = settings
        self._now = now
        self._consumer = GroupConsumer(settings, f"{settings.group_prefix}-notify", [settings.topic_alerts])
        self._producer = Producer(settings)
        self._refusals = Refusals(REFUSED, "alert", DeadLetters(self._producer, settings))
        self._client = connect(settings)
        self._store = NotificationStore(self._client, settings)
        self._clocks = CameraClocks(self._client, settings)
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._sign_of_life = Leases(self._client, settings, NOTIFY, self._owner, _SIGN_OF_LIFE_S)
        self._signed_s = -_SIGN_OF_LIFE_S
        self._healthy = {"kafka": False, "mongodb": False}

    def start(self) -> None:
        """Make topics and indexes, and join the group.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        self._store.ensure_indexes()
        ensure_topics(self._settings)
        self._producer.start()
        self._consumer.start()
        self._healthy = {"kafka": True, "mongodb": True}

    def ready(self) -> dict[str, bool]:
        """Whether Kafka and MongoDB answered last."""
        return dict(self._healthy)

    def close(self) -> None:
        """Leave the group and disconnect."""
        self._consumer.close()
        self._producer.close()
        try:
            self._sign_of_life.release([self._owner])
        except UnavailableError as error:
            log.warning("%s", error)
        self._client.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times. A server that does not answer is waited for."""
        run_steps(lambda: self._step(stop), stop, count, healthy=self._healthy, server="kafka")

    def _step(self, stop: threading.Event) -> None:
        try:
            self._until_stored(self._consumer.poll(_POLL_MS), stop)
        finally:  # what is due is delivered while Kafka is away, too
            self._deliver_what_is_due(stop)

    def _deliver_what_is_due(self, stop: threading.Event) -> None:
        try:
            self._say_that_it_lives()
            self._deliver_due(stop)
        except UnavailableError as error:
            log.warning("%s", error)

    def _say_that_it_lives(self) -> None:
        if time.monotonic() - self._signed_s >= _SIGN_OF_LIFE_S / 4:
            self._sign_of_life.acquire(self._owner)
            self._signed_s = time.monotonic()

    def _until_stored(self, records: list[LogRecord], stop: threading.Event) -> None:
        """Turn alerts into deliveries and commit them, however long MongoDB is away."""
        backoff, alerts = Backoff(), self._decode(records)
        while records and not stop.is_set():
            try:
                self._store_all(alerts)
                self._consumer.commit(
                    {(one.source.topic, one.source.partition): (one.source.offset + 1, "") for one in records}
                )
                self._healthy["mongodb"] = True
                return
            except UnavailableError as error:
                self._healthy["mongodb"] = False
                log.warning("%s", error)
                stop.wait(backoff.next_s())

    def _decode(self, records: list[LogRecord]) -> deque[tuple[LogRecord, Alert]]:
        alerts: deque[tuple[LogRecord, Alert]] = deque()
        for record in records:
            if record.value is not None:
                try:
                    alerts.append((record, Alert.decode(record.value)))
                except ContractError as error:
                    self._refusals.refuse((record, error))
        return alerts

    def _store_all(self, alerts: deque[tuple[LogRecord, Alert]]) -> None:
        """Store the deliveries of each alert, and take it out of `alerts`."""
        known = self._store.get()
        clocks = self._clocks.all() if alerts else {}
        while alerts:
            record, alert = alerts[0]
            try:
                clock = clocks.get(alert.camera_id)
                wanted = deliveries_of(alert, known, self._now(), 0.0 if clock is None else clock.skew_s)
                self._store.add(wanted, self._now())
            except UnavailableError:
                raise
            except Exception as error:  # whatever is wrong with this alert: the next ones are still sent
                self._refusals.refuse((record, error))
            alerts.popleft()

    def _deliver_due(self, stop: threading.Event) -> None:
        while not stop.is_set():
            now = self._now()
            delivery = self._store.claim(now, now + _CLAIMED_FOR)
            if delivery is None:
                return
            self._deliver(delivery, self._store.get())

    def _deliver(self, delivery: PendingDelivery, known: Notifications) -> None:
        channel: Channel | None = next((one for one in known.channels if one.name == delivery.channel), None)
        rule = next((one for one in known.rules if one.name == delivery.rule), None)
        if channel is None or (delivery.rule is not None and rule is None):
            self._settle(delivery, DeliveryState.HELD, "its channel or rule was removed")
            return
        reason = None
        if rule is not None and delivery.alert is not None:
            now = self._now()
            last_sent = self._store.last_sent(rule.name, but_for=delivery.alert["alert_id"], now=now)
            reason = why_not_now(rule, now, last_sent)
        if reason is not None:
            self._settle(delivery, DeliveryState.HELD, reason)
            return
        try:
            send(channel, delivery.alert, delivery.delivery_id)
        except UnavailableError as error:
            log.warning("channel %s: %s", channel.name, error)
            self._again_or_failed(delivery, str(error))
        except Exception as error:  # whatever a service's library throws: other deliveries go on
            log.exception("channel %s broke", channel.name)
            self._again_or_failed(delivery, type(error).__name__)
        else:
            self._settle(delivery, DeliveryState.SENT, None)

    def _again_or_failed(self, delivery: PendingDelivery, error: str) -> None:
        if delivery.alert is None or delivery.attempts >= ATTEMPTS_AT_MOST:
            self._settle(delivery, DeliveryState.FAILED, error)
        else:
            self._store.put_off(delivery.delivery_id, self._now() + pause_after(delivery.attempts), error)

    def _settle(self, delivery: PendingDelivery, state: DeliveryState, error: str | None) -> None:
        self._store.settle(delivery, state, self._now(), error)
        DELIVERIES.labels(state.value).inc()


def deliveries_of(alert: Alert, known: Notifications, now: datetime, skew_s: float = 0.0) -> list[PendingDelivery]:
    """Return what is to be sent of an alert: once over each channel, for the first rule that wants it there.

    An alert that was cleared, or is hours old, is sent to nobody. `skew_s` is by how much its camera's clock is ahead;
    of one that is behind, an alert is younger than it says.
    """
    age = now - alert.raised_at - timedelta(seconds=max(-skew_s, 0.0))
    if alert.cleared_at is not None or age > _OLD:
        return []
    rules: dict[str, NotificationRule] = {}
    for rule in known.rules:
        if rule.wants(alert):
            for channel in rule.channels:
                rules.setdefault(channel, rule)
    fields = replace(alert, sent=()).to_dict()
    return [
        PendingDelivery(f"{alert.alert_id}/{channel}", channel, rule.name, fields, 0) for channel, rule in rules.items()
    ]


def why_not_now(rule: NotificationRule, now: datetime, last_sent: datetime | None) -> str | None:
    """Return why a rule sends nothing now, its quiet hours or its cool-down from the last one sent; None if it does."""
    quiet = rule.quiet_hours
    if quiet is not None:
        local = now.astimezone(ZoneInfo(quiet.time_zone))
        if Schedule(quiet.days, quiet.start, quiet.to).covers(local.weekday(), local.hour * 60 + local.minute):
            return "quiet hours"
    if last_sent is not None and now - last_sent < timedelta(seconds=rule.cool_down_s):
        return f"within {rule.cool_down_s:g} s of the last one sent"
    return None


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts that failed: 5 s, 20 s, 80 s, …"""
    return timedelta(seconds=_FIRST_PAUSE.total_seconds() * 4 ** (attempts - 1))
