"""Outputs into MongoDB, then Kafka. All of it may be delivered again: MongoDB then holds it once, and what comes again
in Kafka has the same id."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

from contracts.events import Alert, Event
from messaging.producer import Producer
from settings import Settings
from storage.alerts import Alerts
from storage.camera_clocks import CameraClocks
from storage.client import Connection
from storage.events import Events
from storage.heatmaps import Heatmaps
from storage.occupancy import OccupancyStore
from storage.snapshots import Snapshots, Wanted
from storage.venues import Venues
from workers.analytics.outputs import Outputs

_PICTURED = frozenset({"intrusion", "density", "capacity", "gathering", "bottleneck", "distance"})
"""The rules whose alerts one wants to see."""


class Delivery:
    """Brings outputs to where they are read."""

    def __init__(self, client: Connection, producer: Producer, settings: Settings) -> None:
        self._settings = settings
        self._producer = producer
        self._events = Events(client, settings)
        self._alerts = Alerts(client, settings)
        self._snapshots = Snapshots(client, settings)
        self._occupancy = OccupancyStore(client, settings)
        self._heatmaps = Heatmaps(client, settings)
        self._venues = Venues(client, settings)
        self._clocks = CameraClocks(client, settings)

    def ensure_indexes(self) -> None:
        """Make the collections' indexes.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        for repository in (self._events, self._alerts, self._snapshots, self._occupancy, self._heatmaps):
            repository.ensure_indexes()

    def deliver(self, told: Sequence[tuple[int, Outputs]], *, again: bool) -> None:
        """Deliver the outputs of cameras, each with the version of its checkpoint.

        `again` says that some of it may have been delivered before.

        Raises:
            UnavailableError: a server did not take all of it; to deliver it `again` is safe.
        """
        events = [event for _, outputs in told for event in outputs.events]
        alerts = [alert for _, outputs in told for alert in outputs.alerts]
        self._events.add(events)
        self._occupancy.add_seconds([one for _, outputs in told for one in outputs.seconds], again=again)
        self._occupancy.put_rollups([(*rollup, version) for version, outputs in told for rollup in outputs.rollups])
        self._heatmaps.put([(heat, version) for version, outputs in told for heat in outputs.heats])
        self._venues.put([(part, version) for version, outputs in told for part in outputs.venues])
        self._clocks.put(one for _, outputs in told for one in outputs.clocks)
        self._snapshots.want(self._pictured(events, alerts), datetime.now(timezone.utc))
        ended_before = self._alerts.put(alerts)
        alerts = [one for one in alerts if one.cleared_at is None or one.alert_id not in ended_before]
        self._producer.send_all(
            [
                (topic, one.camera_id.encode(), one.encode())
                for topic, records in ((self._settings.topic_events, events), (self._settings.topic_alerts, alerts))
                for one in records
            ]
        )

    def _pictured(self, events: Sequence[Event], alerts: Sequence[Alert]) -> Iterator[Wanted]:
        """The pictures to be kept: those of alerts that one of these events raised, when the log has its frame."""
        by_id = {event.event_id: event for event in events}
        for alert in alerts:
            event = by_id.get(alert.event_id)
            has_frame = event and event.source.topic in (self._settings.topic_frames, self._settings.topic_uploads)
            if event and has_frame and alert.rule in _PICTURED:
                yield Wanted(alert.alert_id, alert.camera_id, alert.raised_at, event.source)
