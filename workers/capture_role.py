"""The capture role: captures the cameras of the collection `cameras`, and follows it as it changes."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone

from prometheus_client import Gauge

from contracts.cameras import Camera
from contracts.errors import UnavailableError
from messaging.admin import ensure_topics
from settings import Settings
from storage.camera_states import CameraState, CameraStates, Capturing
from storage.camera_tests import CameraTests, PictureAnswer
from storage.cameras import Cameras, CamerasFollower
from storage.client import connect
from storage.leases import CAPTURE, Leases
from workers.capture import FRAMES
from workers.capture_child import Report
from workers.capture_children import CaptureChildren
from workers.capture_picture import take_picture
from workers.capture_shares import CaptureShare
from workers.runner import run_steps

log = logging.getLogger(__name__)

LEASE_S = 6.0
_STEP_S = 0.5
_CLAIM_EVERY_S = 1.0
_TELL_EVERY_S = 1.0
_TESTS_AT_ONCE = 2

CAMERAS = Gauge("crowdwatch_capture_cameras", "Cameras that this process captures", ["state"])
LIVE = Gauge("crowdwatch_capture_camera_live", "1 while a camera of this process gives frames, else 0", ["camera"])


class CaptureRole:
    """Holds this process's share of the cameras, and tells how each goes in `camera_states`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect(settings)
        self._follower = CamerasFollower(Cameras(self._client, settings))
        self._states = CameraStates(self._client, settings)
        self._tests = CameraTests(self._client, settings)
        owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._camera_leases = Leases(self._client, settings, "camera", owner, LEASE_S)
        self._share = CaptureShare(self._camera_leases, Leases(self._client, settings, CAPTURE, owner, LEASE_S), owner)
        self._children = CaptureChildren(settings)
        self._executor = ThreadPoolExecutor(_TESTS_AT_ONCE, thread_name_prefix="camera-test")
        self._testing: set[Future[None]] = set()
        self._wanted: dict[str, Camera] = {}
        self._mine: frozenset[str] = frozenset()
        self._told: dict[str, CameraState] = {}
        self._taken: dict[str, int] = {}
        self._claimed_s = self._told_s = -LEASE_S
        self._healthy = {"kafka": False, "mongodb": False}

    def start(self) -> None:
        """Make topics and indexes.

        Raises:
            UnavailableError: Kafka or MongoDB does not answer.
        """
        self._camera_leases.ensure_indexes()
        self._tests.ensure_indexes()
        self._healthy["mongodb"] = True
        ensure_topics(self._settings)
        self._healthy["kafka"] = True

    def ready(self) -> dict[str, bool]:
        """Whether Kafka answered at the start, and MongoDB last."""
        return dict(self._healthy)

    def close(self) -> None:
        """End the capture of all cameras and leave them to others."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._children.close()
        try:
            self._share.leave()
        except UnavailableError as error:
            log.warning("%s", error)
        self._client.close()

    def run(self, stop: threading.Event, count: int | None = None) -> None:
        """Step until `stop` is set, or `count` times. While MongoDB is away the cameras are captured as before."""
        run_steps(self._step, stop, count, healthy=self._healthy, server="mongodb", pause_s=_STEP_S)

    def _step(self) -> None:
        try:
            self._look()
        finally:
            self._children.capture({name: self._wanted[name] for name in self._mine if name in self._wanted})

    def _look(self) -> None:
        changes = self._follower.poll()
        for camera_id, camera in changes.changed.items():
            if camera.source is not None and camera.source.enabled:
                self._wanted[camera_id] = camera
            else:
                self._wanted.pop(camera_id, None)
        for camera_id in changes.removed:
            self._wanted.pop(camera_id, None)
        now_s = time.monotonic()
        if now_s - self._claimed_s >= _CLAIM_EVERY_S or changes.changed or changes.removed:
            self._mine = self._share.claim(self._wanted.keys())
            self._claimed_s = now_s
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._tell(self._children.reports())
            self._told_s = now_s
        self._answer_tests()

    def _tell(self, reports: Mapping[str, Report]) -> None:
        """Write the state of each camera of this process, and forget those that nobody captures any more."""
        now = datetime.now(timezone.utc)
        states = {name: self._state(name, reports.get(name), now) for name in self._mine}
        self._states.put_many(states.values())
        self._states.remove([name for name in self._told if name not in self._wanted])
        for name in self._told.keys() - states.keys():
            LIVE.remove(name)
        self._told = states
        for name, one in states.items():
            LIVE.labels(name).set(one.state is Capturing.LIVE)
        for state in Capturing:
            CAMERAS.labels(state.value).set(sum(one.state is state for one in states.values()))

    def _state(self, camera_id: str, report: Report | None, now: datetime) -> CameraState:
        before = self._told.get(camera_id)
        if report is None or (not report.live and report.error is None):
            state = Capturing.STARTING
        else:
            state = Capturing.LIVE if report.live else Capturing.OFFLINE
        taken = 0 if report is None else report.taken
        FRAMES.labels(camera_id).inc(max(0, taken - self._taken.get(camera_id, 0)))
        self._taken[camera_id] = taken
        since = before.since if before is not None and before.state is state else now
        error = None if report is None else report.error
        return CameraState(camera_id, state, since, now, error, 0.0 if report is None else report.fps)

    def _answer_tests(self) -> None:
        self._testing = {test for test in self._testing if not test.done()}
        while len(self._testing) < _TESTS_AT_ONCE and (question := self._tests.claim()) is not None:
            self._testing.add(self._executor.submit(self._test, *question))

    def _test(self, question: str, url: str) -> None:
        try:
            answer = PictureAnswer(take_picture(self._settings, url), None)
        except UnavailableError as error:
            answer = PictureAnswer(None, str(error))
        try:
            self._tests.answer(question, answer)
        except UnavailableError as error:
            log.warning("%s", error)
