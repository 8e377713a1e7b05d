"""Channels and rules of notifications, for administrators; secrets go in and never come out."""

import threading
import time
import uuid
from datetime import datetime, timezone
from typing import Any

from contracts.notifications import Notifications
from storage.leases import Leases
from storage.notifications import DeliveryState, NotificationStore, PendingDelivery
from web.errors import RequestError

_ANSWER_WITHIN_S = 25.0
_ASK_EVERY_S = 0.2


class NotificationSettings:
    """Reads and writes channels and rules, and has a channel tested by the role that sends."""

    def __init__(self, store: NotificationStore, sending: Leases, stopping: threading.Event) -> None:
        """Take the repository, and the leases of the processes that send."""
        self._store = store
        self._sending = sending
        self._stopping = stopping

    def shown(self) -> dict[str, Any]:
        """Return every channel and rule, secrets masked.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._store.get().shown()

    def put(self, notifications: Notifications) -> dict[str, Any]:
        """Write every channel and rule; a masked secret that comes back is kept. Return them as they are shown.

        Raises:
            ContractError: a mask stands for nothing.
            UnavailableError: MongoDB does not answer.
        """
        complete = notifications.with_secrets_of(self._store.get())
        self._store.put(complete)
        return complete.shown()

    def deliveries(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest deliveries.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._store.newest(limit)

    def test(self, channel: str) -> dict[str, Any]:
        """Send a test over a channel; return the delivery.

        Raises:
            RequestError: 404, there is no such channel; 409, no process sends notifications, or it is busy.
            UnavailableError: MongoDB does not answer.
        """
        if channel not in [one.name for one in self._store.get().channels]:
            raise RequestError(404, f"there is no channel {channel!r:.60}")
        if not self._sending.held():
            raise RequestError(409, "no process sends notifications now; start the role notify", code="no_notify")
        delivery_id = f"test/{uuid.uuid4().hex}"
        self._store.add([PendingDelivery(delivery_id, channel, None, None, 0)], datetime.now(timezone.utc))
        deadline = time.monotonic() + _ANSWER_WITHIN_S
        while time.monotonic() < deadline and not self._stopping.wait(_ASK_EVERY_S):
            found = self._store.find(delivery_id)
            if found is not None and found["state"] != DeliveryState.PENDING.value:
                return found
        raise RequestError(
            409, "the process that sends notifications is busy; its deliveries tell later", code="no_notify"
        )
