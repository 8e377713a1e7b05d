"""What the demo does after the clip: things that a healthy system with one camera does not show, each made to happen.

Each step says what it does and why, and which metrics of the dashboard tell of it; they must move.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from contracts.access import Role
from contracts.cameras import Camera, CameraSource, ZoneSettings
from contracts.errors import CrowdwatchError, UnavailableError
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, Status
from contracts.frames import FrameHeaders
from contracts.notifications import NotificationRule, Notifications, Webhook
from contracts.offsets import SourceOffset
from messaging.producer import Producer
from ops.demo.client import Viewer, WebClient
from ops.demo.journey import Journey
from ops.demo.site import Site
from ops.role_metrics import Series
from settings import Settings
from storage.api_keys import ApiKeys
from storage.cameras import Cameras
from storage.client import connect
from storage.notifications import NotificationStore
from storage.results import Results
from web.access.keys import Keys

T = TypeVar("T")

CRASH, CAMERA, DESK, DETECTOR = "demo-crash", "demo-camera", "demo-desk", "demo-detector"
_WEBHOOK, _RULE = "crowdwatch demo", "crowdwatch demo"
_KEY_LASTS = timedelta(hours=1)
_PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.1
_MOST_LOOKS = 1200
"""Two minutes and more; counted in looks, so that a machine that slept, or was stopped, has not run out of patience."""

_TRIES = 2
_CRASH_FRAMES = 200
"""More than a second of work, in several tasks: when the first frame is stored a worker holds one of the others."""
_FOREIGN_FACES, _FOREIGN_AT_ONCE = 64, 100
_LARGE_PICTURE = ImageSize(1920, 1080)


@dataclass(frozen=True)
class Metric:
    """A metric of the roles, as the dashboard selects it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        chosen = ", ".join(f'{name}="{value}"' for name, value in self.labels.items())
        return f"{self.name}{{{chosen}}}" if chosen else self.name

    def total(self, found: Mapping[Series, float]) -> float:
        """Return the sum of its series."""
        wanted = self.labels.items()
        return sum(value for one, value in found.items() if one.name == self.name and wanted <= set(one.labels))


@dataclass(frozen=True)
class Step:
    """One thing that is made to happen.

    Attributes:
        title: what is done, and why it is worth seeing.
        act: does it, and returns what came of it.
        moves: metrics that tell of it.
    """

    title: str
    act: Callable[[], str]
    moves: tuple[Metric, ...]


@dataclass(frozen=True)
class Stage:
    """What the steps work with.

    Attributes:
        settings: of the running system.
        pictures: frames of the sample, as JPEG.
        send_clip: sends that many frames of the sample as a camera's; it calls what it is given once the first of them
            is stored, and returns when all are.
        kill: kills a role, as a crash would.
        metrics: what the roles count now.
        stop: set when the demo is to end.
    """

    settings: Settings
    pictures: list[bytes]
    send_clip: Callable[[str, int, Callable[[], None]], Journey]
    kill: Callable[[str], None]
    metrics: Callable[[], Mapping[Series, float]]
    stop: threading.Event

    def wait(self, what: str, look: Callable[[], T | None]) -> T:
        """Look until there is something, and return it.

        Raises:
            CrowdwatchError: there was nothing for two minutes, or the demo is to end.
        """
        for _ in range(_MOST_LOOKS):
            found = look()
            if found is not None and found is not False:
                return found
            if self.stop.wait(_LOOK_EVERY_S):
                raise CrowdwatchError("the demo was stopped")
        raise CrowdwatchError(f"in {_MOST_LOOKS * _LOOK_EVERY_S:.0f} s there was no {what}")


class Steps:
    """The steps, with what they share: a key to the web, a producer, a viewer, a camera and a receiver.

    Use it as made by `prepared`, which also takes away again what would be of use to nobody.
    """

    def __init__(
        self, stage: Stage, web: WebClient, producer: Producer, results: Results, cameras: Cameras, site: Site
    ) -> None:
        self._stage = stage
        self._settings = stage.settings
        self._web = web
        self._producer = producer
        self._results = results
        self._cameras = cameras
        self._site = site
        self.viewer: Viewer | None = None

    def all(self) -> list[Step]:
        """Return the steps in their order: the one after which a role counts anew comes before what it counts."""
        lost = Metric("crowdwatch_bridge_tasks_lost_total")
        failed, skipped = (
            Metric("crowdwatch_sink_stored_total", {"status": status.value})
            for status in (Status.FAILED, Status.SKIPPED)
        )
        return [
            Step("somebody opens a live page", self._open_viewer, (Metric("crowdwatch_web_viewers"),)),
            Step(
                "the worker is killed in the middle of its work, as a crash would: no frame may be lost or doubled",
                lambda: self._kill_worker(lost),
                (lost,),
            ),
            Step(
                "a damaged picture, bytes that are no picture, and a frame older than its camera wants",
                self._send_unusable,
                (failed, Metric("crowdwatch_worker_dead_letters_total"), skipped),
            ),
            Step(
                "another program writes into Faces what is no result: it must block nobody",
                self._write_no_result,
                (Metric("crowdwatch_sink_refused_total"),),
            ),
            Step(
                "a program sends a picture over HTTP, and waits for its faces",
                self._send_picture,
                (Metric("crowdwatch_web_pictures_total"), Metric("crowdwatch_web_results_streamed_total")),
            ),
            Step("somebody uploads a picture", self._upload, (Metric("crowdwatch_jobs_ended_total"),)),
            Step(
                "a camera of the network is added; more people than its zone may hold are an alert for a webhook",
                self._add_camera,
                (
                    Metric("crowdwatch_capture_frames_total", {"camera": CAMERA}),
                    Metric("crowdwatch_capture_cameras", {"state": "live"}),
                    Metric("crowdwatch_capture_camera_live", {"camera": CAMERA}),
                    Metric("crowdwatch_notify_deliveries_total", {"state": "sent"}),
                ),
            ),
            Step(
                "a viewer takes nothing, while another detector brings a crowd: it misses pieces, and holds up nobody",
                self._watch_idly,
                (Metric("crowdwatch_web_results_dropped_total"),),
            ),
            Step(
                "the camera is unplugged",
                self._unplug_camera,
                (
                    Metric("crowdwatch_capture_camera_live", {"camera": CAMERA}),
                    Metric("crowdwatch_capture_cameras", {"state": "offline"}),
                ),
            ),
        ]

    def _open_viewer(self) -> str:
        self.viewer = self._web.watch()
        return "it follows all that comes from now on"

    def _kill_worker(self, lost: Metric) -> str:
        before = lost.total(self._stage.metrics())
        for tries in range(1, _TRIES + 1):
            journey = self._stage.send_clip(CRASH, _CRASH_FRAMES, lambda: self._stage.kill("worker"))
            again = lost.total(self._stage.metrics()) - before
            if again or tries == _TRIES:
                break
        sent, stored = len(journey.acknowledged), len(journey.stored)
        if journey.lost or stored < sent:
            raise CrowdwatchError(f"of {sent} frames {stored} are stored")
        return f"all {stored} frames are stored, once each: {again:.0f} tasks were found lost and planned again"

    def _send_unusable(self) -> str:
        now = datetime.now(timezone.utc)
        picture = self._stage.pictures[0]
        sent = {
            "damaged": self._send_frame("demo-damaged", picture[: len(picture) // 2], FrameHeaders(captured_at=now)),
            "no picture": self._send_frame("demo-damaged", b"no picture", FrameHeaders(captured_at=now)),
            "too old": self._send_frame(
                "demo-late", picture, FrameHeaders(captured_at=now - timedelta(minutes=1), max_age_ms=1000)
            ),
        }
        found = [self._result(source) for source in sent.values()]
        return "; ".join(f"{one.status.value}: {one.error}" for one in found) + "; the failed ones are in frames.dead"

    def _write_no_result(self) -> str:
        value = b'{"hello": "this is no result"}'
        place = self._producer.send(self._settings.topic_faces, value, key=b"demo").result(_PATIENCE_S)
        return f"{place} was refused by the sink, and copied to frames.dead"

    def _send_picture(self) -> str:
        record = self._web.call("POST", f"/api/frames?camera_id={DESK}&wait=50", self._stage.pictures[0])
        if "total_faces" not in record:
            topic, partition, offset = record["id"].rsplit("/", 2)
            record = self._result(SourceOffset(topic, int(partition), int(offset))).to_dict()
        return f"{record['total_faces']} faces in {record['inference_ms']:.0f} ms"

    def _upload(self) -> str:
        job = self._web.call("POST", f"/api/uploads?camera_id={DESK}&filename=demo.jpg", self._stage.pictures[0])

        def ended() -> str | None:
            state = str(self._web.call("GET", job["url"])["state"])
            return state if state in ("done", "failed", "cancelled") else None

        return f"its job is {self._stage.wait('end of the upload', ended)}"

    def _add_camera(self) -> str:
        everywhere = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
        zone = ZoneSettings("concourse", everywhere, limit=1)
        self._cameras.put(
            Camera(CAMERA, name="The demo's camera", source=CameraSource(f"{self._site.url}/mjpeg"), zones=(zone,))
        )
        notice = self._stage.wait("notification", lambda: next(iter(self._site.received), None))
        return f"the webhook was told: {notice['alert']['message']}"

    def _watch_idly(self) -> str:
        dropped = Metric("crowdwatch_web_results_dropped_total")
        before = dropped.total(self._stage.metrics())
        written = 0

        def write_more() -> bool:
            nonlocal written
            self._write_foreign(written, _FOREIGN_AT_ONCE)
            written += _FOREIGN_AT_ONCE
            return dropped.total(self._stage.metrics()) > before

        idle = self._web.watch_idly()
        try:
            self._stage.wait("piece that the idle viewer missed", write_more)
        finally:
            idle.close()
        return f"after some of {written} results of {_FOREIGN_FACES} faces it missed what came"

    def _unplug_camera(self) -> str:
        live = Metric("crowdwatch_capture_camera_live", {"camera": CAMERA})
        self._site.unplugged.set()
        self._stage.wait("sign that the camera is gone", lambda: live.total(self._stage.metrics()) == 0)
        return "the System page shows why; the capture asks again and again"

    def _send_frame(self, camera_id: str, picture: bytes, headers: FrameHeaders) -> SourceOffset:
        sent = self._producer.send_frame(self._settings.topic_frames, camera_id, picture, headers)
        return sent.result(_PATIENCE_S)

    def _result(self, source: SourceOffset) -> FacesRecord:
        return self._stage.wait(f"result of {source}", lambda: self._results.get(source))

    def _write_foreign(self, first: int, count: int) -> None:
        """Write results of another detector's, whose frames are none of ours."""
        columns = 16
        faces = tuple(
            Face(number, BoundingBox(110 * (number % columns), 110 * (number // columns), 60, 80), 0.9)
            for number in range(_FOREIGN_FACES)
        )
        now = datetime.now(timezone.utc)
        for number in range(first, first + count):
            record = FacesRecord(
                source=SourceOffset(DETECTOR, 0, number),
                camera_id=DETECTOR,
                frame_id=number,
                captured_at=now - timedelta(minutes=1) + timedelta(milliseconds=number),
                detected_at=now,
                status=Status.OK,
                faces=faces,
                image=_LARGE_PICTURE,
            )
            self._producer.send(self._settings.topic_faces, record.encode(), key=DETECTOR.encode())
        self._producer.flush(_PATIENCE_S)


@contextmanager
def prepared(stage: Stage, host: str, port: int, site: Site) -> Iterator[Steps]:
    """Make what the steps need: a key, a channel and a rule for alerts; at the end they and the camera are gone."""
    settings = stage.settings
    with ExitStack() as stack:
        client = stack.enter_context(connect(settings))
        cameras, notifications = Cameras(client, settings), NotificationStore(client, settings)
        keys = Keys(ApiKeys(client, settings))
        now = datetime.now(timezone.utc)
        key, text = keys.make("crowdwatch demo", Role.OPERATOR, None, "crowdwatch demo", now + _KEY_LASTS)
        stack.callback(_quietly, lambda: keys.revoke(key.id))
        _put_notifications(notifications, site.url)
        stack.callback(_quietly, lambda: _put_notifications(notifications, None))
        stack.callback(_quietly, lambda: cameras.delete(CAMERA))
        producer = Producer(settings)
        producer.start()
        stack.callback(producer.close)
        steps = Steps(stage, WebClient(host, port, text), producer, Results(client, settings), cameras, site)
        yield steps
        if steps.viewer is not None:
            steps.viewer.close()


def _quietly(undo: Callable[[], object]) -> None:
    with suppress(UnavailableError):  # the system is being stopped
        undo()


def _put_notifications(store: NotificationStore, url: str | None) -> None:
    """Add the demo's channel and rule to those that there are, or take them away."""
    known = store.get()
    channels = [one for one in known.channels if one.name != _WEBHOOK]
    rules = [one for one in known.rules if one.name != _RULE]
    if url is not None:
        channels.append(Webhook(kind="webhook", name=_WEBHOOK, url=url))
        rules.append(NotificationRule(name=_RULE, channels=[_WEBHOOK], cameras=[CAMERA], cool_down_s=0))
    store.put(Notifications(channels=channels, rules=rules))
