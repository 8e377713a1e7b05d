"""Pages of lists, newest first, with cursors that name the last entry shown."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.times import from_rfc3339
from messaging.producer import Producer
from settings import Settings
from storage.alerts import Alerts
from storage.events import EventFrame, Events
from storage.lists import ListFilter
from web.services.cursors import decode_place, encode_place

Entry = dict[str, Any]

_ACKNOWLEDGED_WITHIN_S = 10.0
_OF_A_VENUE = "capacity"
"""The rule whose alerts name the camera that counted last, and go on without it."""


class EventList:
    """What happened, newest first."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def page(self, wanted: ListFilter, limit: int, cursor: str | None) -> tuple[list[Entry], str | None]:
        """Return a page of events and the cursor of the next one.

        Raises:
            RequestError: 400, the cursor is none that an earlier page gave.
            UnavailableError: MongoDB does not answer.
        """
        return _read_page(self._events.newest, wanted, limit, cursor, at_field="at", id_field="event_id")


class AlertList:
    """What somebody should look at, the last raised first."""

    def __init__(self, settings: Settings, alerts: Alerts, events: Events, producer: Producer) -> None:
        self._settings = settings
        self._alerts = alerts
        self._events = events
        self._producer = producer

    def page(self, wanted: ListFilter, limit: int, cursor: str | None) -> tuple[list[Entry], str | None]:
        """Return a page of alerts and the cursor of the next one.

        Raises:
            RequestError: 400, the cursor is none that an earlier page gave.
            UnavailableError: MongoDB does not answer.
        """
        return _read_page(self._alerts.newest, wanted, limit, cursor, at_field="raised_at", id_field="alert_id")

    def acknowledge(self, alert_id: str, by: str, at: datetime) -> Entry | None:
        """Note who has seen an alert, unless somebody had before; None when there is no such alert.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._alerts.acknowledge(alert_id, by, at)

    def clear(self, camera_id: str, at: datetime) -> None:
        """Clear what is open of a camera before it is removed; what comes up meanwhile the analytics end when it is.

        It is told in the log first, so that to do it again misses nothing.

        Raises:
            UnavailableError: MongoDB or Kafka does not answer.
        """
        its = [alert for alert in self._alerts.open_of(camera_id) if alert.rule != _OF_A_VENUE]
        cleared = [replace(alert, cleared_at=max(at, alert.raised_at)) for alert in its]
        if cleared:
            topic, key = self._settings.topic_alerts, camera_id.encode()
            self._producer.send_all([(topic, key, alert.encode()) for alert in cleared], _ACKNOWLEDGED_WITHIN_S)
            self._alerts.put(cleared)

    def frame(self, alert_id: str) -> EventFrame | None:
        """Return the frame that showed why the alert was raised, None when that is not known.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        event_id = self._alerts.event_of(alert_id)
        return None if event_id is None else self._events.frame_of(event_id)


def _read_page(
    newest: Callable[[int, ListFilter], list[Entry]],
    wanted: ListFilter,
    limit: int,
    cursor: str | None,
    *,
    at_field: str,
    id_field: str,
) -> tuple[list[Entry], str | None]:
    """Return up to `limit` entries that are `wanted`, and the cursor of the next page; None after the last one.

    Raises:
        RequestError: 400, the cursor is none that an earlier page gave.
        UnavailableError: MongoDB does not answer.
    """
    after = None if cursor is None else decode_place(cursor)
    found = newest(limit + 1, replace(wanted, after=after))
    items = found[:limit]
    if len(found) <= limit:
        return items, None
    return items, encode_place(from_rfc3339(items[-1][at_field]), items[-1][id_field])
