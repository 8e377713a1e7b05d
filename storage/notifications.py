"""Collections `notifications` (channels and rules) and `deliveries`: what is to be sent, and what became of it.

A delivery's id is its alert and channel: an alert that is read twice is sent once over each channel.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from pydantic import ValidationError
from pymongo import DESCENDING, MongoClient, ReturnDocument, UpdateOne

from contracts.errors import UnavailableError
from contracts.notifications import Notifications
from contracts.times import to_rfc3339
from settings import Settings
from storage.alerts import COLLECTION as ALERTS
from storage.client import Document, database, mongo_errors
from storage.retention import DAY_S, ensure_retention

_SETTINGS_ID = "settings"

_PUT_OFF_AT_MOST = timedelta(hours=2)


class DeliveryState(str, Enum):
    """What became of a delivery."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    HELD = "held"


@dataclass(frozen=True)
class PendingDelivery:
    """One alert for one channel.

    Attributes:
        alert: as its contract has it, in JSON types; None for a test.
        rule: the rule that wants it, None for a test.
        attempts: how often it was tried, with this time.
    """

    delivery_id: str
    channel: str
    rule: str | None
    alert: dict[str, Any] | None
    attempts: int


class NotificationStore:
    """The repository of channels, rules and deliveries."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        base = database(client, settings)
        self._settings, self._deliveries, self._alerts = base["notifications"], base["deliveries"], base[ALERTS]
        self._retention_s = int(settings.events_retention_days * DAY_S)

    def ensure_indexes(self) -> None:
        """Make the indexes: what is due, by time, and removal after the retention of events.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot make the indexes of deliveries"):
            self._deliveries.create_index([("state", 1), ("due_at", 1)], name="due")
            self._deliveries.create_index([("rule", 1), ("sent_at", DESCENDING)], name="rule_sent")
        ensure_retention(self._deliveries, "created_at", self._retention_s)

    def get(self) -> Notifications:
        """Return every channel and rule, with their secrets.

        Raises:
            UnavailableError: MongoDB does not answer, or holds settings that are damaged.
        """
        with mongo_errors("cannot read the notifications"):
            found = self._settings.find_one({"_id": _SETTINGS_ID})
        if found is None:
            return Notifications()
        try:
            return Notifications.model_validate({name: value for name, value in found.items() if name != "_id"})
        except ValidationError as error:
            raise UnavailableError(f"the notification settings in MongoDB are damaged: {error}") from error

    def put(self, notifications: Notifications) -> None:
        """Write every channel and rule.

        Raises:
            UnavailableError: MongoDB did not take them.
        """
        with mongo_errors("cannot store the notifications"):
            self._settings.replace_one({"_id": _SETTINGS_ID}, notifications.to_dict(), upsert=True)

    def add(self, deliveries: Iterable[PendingDelivery], now: datetime) -> None:
        """Write deliveries that are to be made; those that are there already stay as they are.

        Raises:
            UnavailableError: MongoDB did not take all of them; to add them again is safe.
        """
        writes = [
            UpdateOne(
                {"_id": one.delivery_id},
                {
                    "$setOnInsert": {
                        "channel": one.channel,
                        "rule": one.rule,
                        "alert": one.alert,
                        "attempts": one.attempts,
                        "state": DeliveryState.PENDING.value,
                        "error": None,
                        "created_at": now,
                        "due_at": now,
                        "sent_at": None,
                    }
                },
                upsert=True,
            )
            for one in deliveries
        ]
        if writes:
            with mongo_errors("cannot store deliveries"):
                self._deliveries.bulk_write(writes, ordered=False)

    def claim(self, now: datetime, until: datetime) -> PendingDelivery | None:
        """Take the delivery that is due longest, and put it off until `until` for everybody else; None without one.

        One that is due in hours was put off by a clock that was ahead, and is due.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot look for deliveries"):
            found = self._deliveries.find_one_and_update(
                {
                    "state": DeliveryState.PENDING.value,
                    "$or": [{"due_at": {"$lte": now}}, {"due_at": {"$gt": now + _PUT_OFF_AT_MOST}}],
                },
                {"$set": {"due_at": until}, "$inc": {"attempts": 1}},
                sort=[("due_at", 1)],
                return_document=ReturnDocument.AFTER,
            )
        if found is None:
            return None
        return PendingDelivery(found["_id"], found["channel"], found["rule"], found["alert"], found["attempts"])

    def last_sent(self, rule: str, but_for: str, now: datetime) -> datetime | None:
        """Return when a notification of this rule was sent last, those of the alert `but_for` aside: an alert goes
        over several channels. What was sent after `now`, by a clock that was ahead, does not count.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query: Document = {"rule": rule, "sent_at": {"$ne": None, "$lte": now}, "alert.alert_id": {"$ne": but_for}}
        with mongo_errors("cannot read the deliveries"):
            found = self._deliveries.find_one(query, sort=[("sent_at", DESCENDING)])
        return None if found is None else found["sent_at"]

    def put_off(self, delivery_id: str, until: datetime, error: str) -> None:
        """Try again later.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot put a delivery off"):
            self._deliveries.update_one({"_id": delivery_id}, {"$set": {"due_at": until, "error": error}})

    def settle(self, delivery: PendingDelivery, state: DeliveryState, now: datetime, error: str | None = None) -> None:
        """Write what became of a delivery, into its alert too where it was sent or given up.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        sent = state is DeliveryState.SENT
        with mongo_errors("cannot note a delivery"):
            if delivery.alert is not None and state is not DeliveryState.HELD:
                note = {"channel": delivery.channel, "at": to_rfc3339(now), "ok": sent}
                self._alerts.update_one(
                    {"_id": delivery.alert["alert_id"], "sent.channel": {"$ne": delivery.channel}},
                    {"$push": {"sent": note}},
                )
            fields = {"state": state.value, "error": error, "sent_at": now if sent else None}
            self._deliveries.update_one({"_id": delivery.delivery_id}, {"$set": fields})

    def find(self, delivery_id: str) -> dict[str, Any] | None:
        """Return a delivery as JSON types, None when there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a delivery"):
            found = self._deliveries.find_one({"_id": delivery_id})
        return None if found is None else _to_json(found)

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` deliveries as JSON types, the newest first.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the deliveries"):
            found = list(self._deliveries.find().sort("created_at", DESCENDING).limit(limit))
        return [_to_json(document) for document in found]


def _to_json(document: Document) -> dict[str, Any]:
    return {
        "alert_id": None if document["alert"] is None else document["alert"]["alert_id"],
        "channel": document["channel"],
        "rule": document["rule"],
        "state": document["state"],
        "attempts": document["attempts"],
        "error": document["error"],
        "created_at": to_rfc3339(document["created_at"]),
        "sent_at": None if document["sent_at"] is None else to_rfc3339(document["sent_at"]),
    }
