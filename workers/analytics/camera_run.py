"""One camera's analytics at work: results in, outputs out, and a state that a checkpoint holds whole."""

import json
import logging
import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter

from analytics.camera import CameraAnalytics, CameraUpdate
from analytics.uses.resets import DailyResets
from contracts.camera_checks import WHOLE_PICTURE, read_usable
from contracts.cameras import Camera
from contracts.errors import ContractError
from contracts.events import Event, EventKind
from contracts.faces import FacesRecord
from contracts.occupancy import VenuePart
from contracts.offsets import SourceOffset
from contracts.rules import rule_of
from contracts.times import from_epoch_ms, from_rfc3339, to_milliseconds, to_rfc3339
from settings import Settings
from workers.analytics.alerts import AlertRules
from workers.analytics.liveness import Liveness, Skew
from workers.analytics.outputs import Outputs
from workers.analytics.series import Series

log = logging.getLogger(__name__)

_EXCEPTIONS = Counter("crowdwatch_analytics_exceptions", "Results left out or analysed under another time", ["reason"])
_BROKEN = Counter("crowdwatch_analytics_broken", "Times that the analytics of a camera failed and began anew")
_LEAST_SKEW_S = 1.0
_LIVE_RESULTS = 10
"""After so many results that come as they are captured, a camera is live, and its silence means something; of a camera
that has a document one is enough."""


class CameraRun:
    """The analytics of one camera with all that depends on them.

    Time is that of the pictures, but for `now_s`, seconds since 1970, by which silence is judged. What fails in one
    camera begins anew, and stops no other.
    """

    def __init__(self, camera_id: str, camera: Camera | None, settings: Settings) -> None:
        self.camera_id = camera_id
        self._settings = settings
        self._camera = camera or Camera(camera_id)
        self._is_known = camera is not None
        self._analytics = self._begin()
        self._series = Series(camera_id)
        self._rules = AlertRules(settings.alert_cooldown_s, self._camera.rules, self._camera.time_zone)
        self._ticked_s = 0
        self._liveness = Liveness(settings)
        self._skew = Skew()
        self._resets = DailyResets(settings.venue_resets)
        self._venues: dict[str, VenuePart] = {}
        self._live_results = 0
        self._offline = False
        self._expected_since: datetime | None = None
        self._last: tuple[datetime, SourceOffset] | None = None
        self._heard_s = -math.inf
        self._flushed = True
        self.outputs = Outputs()

    def take(self, record: FacesRecord, now_s: float) -> None:
        """Take a result."""

        def take() -> None:
            self._hear(record, now_s)
            before = self._analytics.exceptions
            self._absorb(self._analytics.update(record))
            for what, number in (self._analytics.exceptions - before).items():
                _EXCEPTIONS.labels(what).inc(number)

        self._apart(take)

    def watch(self, now_s: float, since_s: float) -> bool:
        """Judge the camera's silence, `since_s` at the earliest; return whether that changed anything."""
        changed = False

        def watch() -> None:
            nonlocal changed
            changed = self._watch(now_s, since_s)

        self._apart(watch)
        return changed

    def _watch(self, now_s: float, since_s: float) -> bool:
        silent_s = now_s - max(self._heard_s, since_s)
        if not self._flushed and silent_s >= self._settings.analytics_silence_s:
            self._flushed = True
            self._absorb(self._analytics.flush())
            if not _is_on(self._camera):
                self._break_off(now_s)
            return True
        is_live = self._live_results >= (1 if self._is_known else _LIVE_RESULTS) and _is_on(self._camera)
        patience_s = rule_of(self._camera, "camera_offline").minimum_s
        patience_s = self._settings.camera_offline_s if patience_s is None else patience_s
        if is_live and not self._offline and self._last and silent_s >= patience_s:
            self._offline = True
            silent_since = max(self._last[0], self._expected_since or self._last[0])
            at = silent_since + timedelta(seconds=patience_s)
            self._tell(Event(EventKind.CAMERA_OFFLINE, self.camera_id, to_milliseconds(at), self._last[1]))
            return True
        if self._offline and (alerts := self._rules.tick(from_epoch_ms(round(1000 * now_s)))):
            self.outputs.alerts += alerts
            return True
        return False

    def _begin(self, first_id: int = 1) -> CameraAnalytics:
        """Begin the analytics, without zones, lines and ground plane when they cannot be used."""
        try:
            return CameraAnalytics(self._camera, whole_picture=True, first_id=first_id)
        except Exception:
            _BROKEN.inc()
            log.exception("%s: its zones, lines or ground plane cannot be used", self.camera_id)
            return CameraAnalytics(Camera(self.camera_id), whole_picture=True, first_id=first_id)

    def _apart(self, step: Callable[[], None]) -> None:
        """Do a step. When it fails, whatever the reason, this camera's analytics begin anew."""
        try:
            step()
        except Exception:
            _BROKEN.inc()
            log.exception("%s: the analytics failed and begin anew", self.camera_id)
            self._analytics = self._begin(self._analytics.next_id)
            self._series = Series(self.camera_id, self._series.session + 1)

    def finish(self) -> None:
        """Take what waits: nothing more will come."""
        self._apart(lambda: self._absorb(self._analytics.finish()))

    def follow(self, camera: Camera | None, now_s: float) -> bool:
        """Go on with other settings, the defaults when None; return whether that changes anything.

        All that goes on of a camera ends when it is taken away, and when it is silent after it was switched off. The
        silence of one that is put back, or switched on, counts from then.
        """
        is_known, was_known, before = camera is not None, self._is_known, self._camera
        camera = camera or Camera(self.camera_id)
        if is_known == was_known and camera == before:
            return False
        if was_known and not is_known:
            self._end_alerts(now_s)
            self._live_results = min(self._live_results, 1)  # its silence is expected, unless it goes on sending
        elif _is_on(before) and not _is_on(camera):
            self._flushed = False  # what it sends until its capture has stopped begins nothing that would not end
        elif is_known and (not was_known or not _is_on(before)):
            self._heard_s, self._expected_since = now_s, from_epoch_ms(round(1000 * now_s))
        self._is_known, self._camera = is_known, camera
        try:
            self._analytics = CameraAnalytics.restore(self._analytics.checkpoint(), camera, whole_picture=True)
        except Exception:
            _BROKEN.inc()
            log.exception("%s: the analytics cannot continue with other settings and begin anew", self.camera_id)
            self._analytics = self._begin(self._analytics.next_id)
        at_s = self._analytics.at_s
        at = from_epoch_ms(round(1000 * (now_s if at_s is None else at_s)))
        self.outputs.alerts += self._rules.keep_zones({zone.name for zone in camera.zones}, at)
        self.outputs.alerts += self._rules.follow(camera.rules, camera.time_zone, at)
        return True

    def _break_off(self, now_s: float) -> None:
        """End what the pictures showed, and all alerts."""
        if self._last is not None:
            self._absorb(self._analytics.end(self._last[1]))
        self._end_alerts(now_s)

    def _end_alerts(self, now_s: float) -> None:
        self.outputs.alerts += self._rules.end(from_epoch_ms(round(1000 * now_s)))
        self._offline = False

    def _hear(self, record: FacesRecord, now_s: float) -> None:
        self._heard_s, self._flushed = now_s, False
        at = record.came_at
        is_live = self._liveness.judge(record, now_s)
        if is_live is not None:
            self._live_results = min(self._live_results + 1, _LIVE_RESULTS) if is_live else 0
        if is_live and self._offline:
            self._offline = False
            self._tell(Event(EventKind.CAMERA_ONLINE, record.camera_id, at, record.source))
        if is_live:
            self._measure(record, at)
        if self._last is None or at > self._last[0]:
            self._last = at, record.source

    def _measure(self, record: FacesRecord, at: datetime) -> None:
        """Measure the camera's clock."""
        limit_s = rule_of(self._camera, "clock_skew").minimum_s
        limit_s = self._settings.clock_skew_s if limit_s is None else max(limit_s, _LEAST_SKEW_S)
        clock, changed = self._skew.measure(record, limit_s)
        if clock is None:
            return
        self.outputs.clocks = [clock]
        if changed:
            value = {"skew_s": clock.skew_s, "is_wrong": self._skew.is_wrong}
            self._tell(Event(EventKind.CLOCK_SKEW, self.camera_id, at, record.source, value=value))

    def _absorb(self, update: CameraUpdate) -> None:
        for event in update.events:
            if event.zone == WHOLE_PICTURE:
                continue
            self._tell(self._count(event) if event.kind is EventKind.LINE_CROSSED else event)
        frames, seconds = 0, 0
        for turn in (*update.turns, None):
            frames_now, seconds_now = turn or (len(update.frames), len(update.occupancy))
            for facts in update.frames[frames:frames_now]:
                self._series.frame(facts, self.outputs)
            for second in update.occupancy[seconds:seconds_now]:
                self._series.second(second, self.outputs)
            frames, seconds = frames_now, seconds_now
            if turn is not None:
                self._series.turn(self.outputs)
        at_s = self._analytics.at_s
        if at_s is not None and math.floor(at_s) != self._ticked_s:
            self._ticked_s = math.floor(at_s)
            self.outputs.alerts += self._rules.tick(from_epoch_ms(1000 * self._ticked_s))

    def _count(self, crossing: Event) -> Event:
        """Count a crossing into its line's venue, if it has one."""
        venue = next((line.venue for line in self._camera.lines if line.name == crossing.line), None)
        if venue is None:
            return crossing
        before = self._venues.get(venue)
        if before is None or before.at_s < self._resets.last_s(venue, crossing.at.timestamp()):
            before = VenuePart(venue, crossing.camera_id, 0, 0, 0)
        entered, left = before.entered + (crossing.direction == "in"), before.left + (crossing.direction == "out")
        part = VenuePart(venue, crossing.camera_id, entered, left, max(before.at_s, int(crossing.at.timestamp())))
        self._venues[venue] = part
        self.outputs.venues = [*(one for one in self.outputs.venues if one.venue != venue), part]
        return replace(crossing, value={**crossing.value, "venue": venue})

    def _tell(self, event: Event) -> None:
        self.outputs.events.append(event)
        self.outputs.alerts += self._rules.on(event)

    def take_outputs(self) -> Outputs:
        """Return what there is to tell since the last call."""
        outputs, self.outputs = self.outputs, Outputs()
        outputs.heats += self._series.open_heat()
        return outputs

    def state(self) -> bytes:
        """Return the whole state, outputs left out: compressed JSON."""
        state: dict[str, Any] = {
            "camera": self._camera.to_dict(),
            "known": self._is_known,
            "analytics": self._analytics.checkpoint().decode(),
            "series": self._series.state(),
            "rules": self._rules.state(),
            "venues": [vars(part) for part in self._venues.values()],
            "live_results": self._live_results,
            "skew": self._skew.state(),
            "offline": self._offline,
            "expected_since": None if self._expected_since is None else to_rfc3339(self._expected_since),
            "flushed": self._flushed,
            "last": None if self._last is None else [to_rfc3339(self._last[0]), *vars(self._last[1]).values()],
        }
        return zlib.compress(json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"), 1)

    @classmethod
    def restore(cls, camera_id: str, state: bytes, settings: Settings) -> "CameraRun":
        """Go on from a `state`.

        Raises:
            ContractError: it is no state of this version.
        """
        try:
            return cls._restore(camera_id, json.loads(zlib.decompress(state)), settings)
        except Exception as error:
            raise ContractError(f"{type(error).__name__}: {error}") from error

    @classmethod
    def _restore(cls, camera_id: str, fields: dict[str, Any], settings: Settings) -> "CameraRun":
        run = cls(camera_id, read_usable(fields["camera"])[0], settings)
        run._analytics = CameraAnalytics.restore(fields["analytics"].encode(), run._camera, whole_picture=True)
        run._series.resume(fields["series"])
        run._rules.resume(fields["rules"])
        run._venues = {one["venue"]: VenuePart(**one) for one in fields["venues"]}
        run._live_results, run._offline = fields["live_results"], fields["offline"]
        run._flushed = fields["flushed"]
        if "skew" in fields:
            run._skew.resume(fields["skew"])
        run._is_known = fields.get("known", True)  # what wrote no `known` did not tell
        if fields.get("expected_since") is not None:
            run._expected_since = from_rfc3339(fields["expected_since"])
        if fields["last"] is not None:
            at, topic, partition, offset = fields["last"]
            run._last = from_rfc3339(at), SourceOffset(topic, partition, offset)
        return run


def _is_on(camera: Camera) -> bool:
    return camera.source is None or camera.source.enabled
