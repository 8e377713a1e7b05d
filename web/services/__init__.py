"""What the views call: everything that works, made from the settings and closed as one."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from contracts.events import Alert
from contracts.faces import FacesRecord
from messaging.admin import ensure_topics, ping_kafka
from messaging.consumer import Follower
from messaging.log_ids import CurrentLogs
from messaging.producer import Producer
from messaging.refusals import Refusals
from messaging.tasks import TaskQueue, ping_redis
from settings import Settings
from storage.alerts import Alerts
from storage.camera_clocks import CameraClocks
from storage.camera_states import CameraStates
from storage.camera_tests import CameraTests
from storage.cameras import Cameras, CamerasFollower
from storage.client import connect, ping_mongodb
from storage.cursors import Cursors
from storage.dead_retries import DeadRetries
from storage.events import Events
from storage.jobs import Jobs
from storage.leases import CAPTURE, NOTIFY, Leases
from storage.notifications import NotificationStore
from storage.overview import Overview
from storage.results import Results
from storage.snapshots import Snapshots
from storage.source_logs import SourceLogs
from storage.venues import Venues
from web.access.service import Access
from web.metrics import WebMetrics
from web.services.analytics import Analytics, Stored
from web.services.background import Feed, Preparation
from web.services.cameras import CameraDocuments
from web.services.dead_letters import DeadLetterBox
from web.services.enqueuing import Enqueuer
from web.services.frames import Frames
from web.services.lists import AlertList, EventList
from web.services.log_check import LogCheck
from web.services.messages import Messages
from web.services.models import Models
from web.services.notifications import NotificationSettings
from web.services.overview import OverviewPage
from web.services.previews import Previews
from web.services.readers import ReaderPool
from web.services.readiness import Readiness
from web.services.recent import RecentResults
from web.services.system import Pace, SystemPage
from web.services.uploads import Uploads
from web.services.venues import VenueCounts
from web.services.viewers import Viewers

_PING_S = 2.0
_TOPICS_S = 3.0
_MONGODB_S = 3.0
_VIEWERS_AT_MOST = 1000
_LINGER_MS = 3


@dataclass(frozen=True)
class Services:
    """The services of one web process. Make them after a fork."""

    frames: Frames
    messages: Messages
    overview: OverviewPage
    analytics: Analytics
    events: EventList
    alerts: AlertList
    venues: VenueCounts
    cameras: CameraDocuments
    models: Models
    clocks: CameraClocks
    previews: Previews
    uploads: Uploads
    notifications: NotificationSettings
    dead_letters: DeadLetterBox
    access: Access
    system: SystemPage
    viewers: Viewers
    readiness: Readiness
    metrics: WebMetrics
    stopping: threading.Event
    _enqueuer: Enqueuer
    _preparation: Preparation
    _closing: ExitStack

    @classmethod
    def build(cls, settings: Settings, registry: CollectorRegistry) -> "Services":
        """Put the services together; nothing connects before `start`."""
        metrics, stopping, recent = WebMetrics(registry), threading.Event(), RecentResults()
        viewers, pace = Viewers(_VIEWERS_AT_MOST, metrics), Pace()
        mongo = connect(settings, _MONGODB_S)
        results, cursors = Results(mongo, settings), Cursors(mongo, settings)
        access = Access.build(mongo, settings)
        jobs = Jobs(mongo, settings)
        capturing, sending = (Leases(mongo, settings, kind, "web", 1.0) for kind in (CAPTURE, NOTIFY))
        cameras, camera_tests = Cameras(mongo, settings), CameraTests(mongo, settings)
        producer, readers = Producer(settings, linger_ms=_LINGER_MS), ReaderPool(settings)
        tasks, dead_retries = TaskQueue(settings), DeadRetries(mongo, settings)
        current = CurrentLogs(settings, (settings.topic_frames, settings.topic_uploads))
        logs = LogCheck(current, SourceLogs(mongo, settings))
        enqueuer = Enqueuer(tasks, settings.batch_size, metrics)

        def on_result(found: FacesRecord) -> None:
            record = logs.complete(found)
            if recent.add(record):
                metrics.results_followed.inc()
                pace.add(record)
                previews.note(record)
                viewers.publish("result", str(record.source), record.camera_id, record.to_dict())

        def on_alert(alert: Alert) -> None:
            viewers.publish("alert", alert.alert_id, alert.camera_id, alert.to_dict())

        no_result, no_alert = (Refusals(metrics.refused, what) for what in ("result", "alert"))
        feed = Feed(lambda: Follower(settings, settings.topic_faces), FacesRecord.decode, on_result, no_result)
        alert_feed = Feed(lambda: Follower(settings, settings.topic_alerts), Alert.decode, on_alert, no_alert)
        preparation = Preparation(
            {
                "topics": lambda: ensure_topics(settings, _TOPICS_S),
                "producer": producer.start,
                "follower": feed.start,
                "follower of alerts": alert_feed.start,
                "indexes of results": results.ensure_indexes,
                "indexes of cursors": cursors.ensure_indexes,
                "indexes of jobs": jobs.ensure_indexes,
                "indexes of camera tests": camera_tests.ensure_indexes,
                "indexes of retries": dead_retries.ensure_indexes,
                **access.indexes,
            }
        )
        readiness = Readiness(
            {
                "kafka": lambda: ping_kafka(settings, _PING_S),
                "redis": lambda: ping_redis(settings, _PING_S),
                "mongodb": lambda: ping_mongodb(settings, _PING_S),
                "prepared": preparation.check,
                "follower": feed.check,
            }
        )
        system = SystemPage(settings, tasks, pace, readiness.problems)
        closing = ExitStack()
        servers = (mongo, access, tasks, producer, readers, logs)
        # the last is closed first
        for part in (*servers, readiness, enqueuer, system, viewers, alert_feed, feed, preparation):
            closing.callback(part.close)
        frames = Frames(settings, producer, enqueuer, results, recent, logs, readers, metrics, stopping)
        models = Models(settings)
        previews = Previews(settings, frames, results, logs, Snapshots(mongo, settings), CamerasFollower(cameras))
        states = CameraStates(mongo, settings)
        return cls(
            frames=frames,
            cameras=CameraDocuments(
                cameras, models, states, camera_tests, capturing, stopping, settings.retention_days
            ),
            models=models,
            clocks=CameraClocks(mongo, settings),
            previews=previews,
            uploads=Uploads(settings, jobs, cameras),
            notifications=NotificationSettings(NotificationStore(mongo, settings), sending, stopping),
            dead_letters=DeadLetterBox(settings, readers, producer, dead_retries),
            messages=Messages(settings, producer, cursors, readers, metrics, stopping),
            analytics=Analytics(Stored.of(mongo, settings), settings),
            events=EventList(Events(mongo, settings)),
            venues=VenueCounts(Venues(mongo, settings), settings),
            alerts=AlertList(settings, Alerts(mongo, settings), Events(mongo, settings), producer),
            overview=OverviewPage(settings, Overview(mongo, settings), results, cameras),
            system=system,
            access=access,
            viewers=viewers,
            readiness=readiness,
            metrics=metrics,
            stopping=stopping,
            _enqueuer=enqueuer,
            _preparation=preparation,
            _closing=closing,
        )

    def start(self) -> None:
        """Connect in the background, for as long as it takes; `/readyz` tells when it is done."""
        self.viewers.start()
        self._enqueuer.start()
        self._preparation.start()

    def wait_prepared(self, timeout_s: float) -> None:
        """Wait until it is done; with a server that does not answer, no longer than that."""
        self._preparation.wait(timeout_s)

    def close(self) -> None:
        """Let those who wait go, finish what is at hand and disconnect."""
        self.stopping.set()
        self._closing.close()
