"""The level of each venue that has a limit, by what all of its cameras have counted."""

import json
import logging
from collections.abc import Mapping

from analytics.uses.levels import level_of
from analytics.uses.resets import DailyResets, inside_venue
from contracts.cameras import Camera
from contracts.events import Event, EventKind
from contracts.offsets import SourceOffset
from contracts.times import from_epoch_ms
from settings import Settings
from storage.checkpoints import Checkpoint, Checkpoints
from storage.venues import Venues
from workers.analytics.alerts import AlertRules
from workers.analytics.delivery import Delivery
from workers.analytics.outputs import Outputs

log = logging.getLogger(__name__)

_PARTITION = -1
"""What stands for the partition in a venue's checkpoint."""


class VenueJudge:
    """Adds up the cameras' contributions, and tells when a venue's level changes.

    Several processes may judge: each change is told once, by the one whose checkpoint was first.
    """

    def __init__(self, venues: Venues, checkpoints: Checkpoints, delivery: Delivery, settings: Settings) -> None:
        self._venues = venues
        self._checkpoints = checkpoints
        self._delivery = delivery
        self._settings = settings
        self._limits = {name: int(limit) for name, _, limit in (one.partition("=") for one in settings.venue_limits)}
        self._resets = DailyResets(settings.venue_resets)
        self._cameras: Mapping[str, Camera] = {}
        self._versions: dict[str, Checkpoint] = {}
        self._loaded = False

    def follow(self, cameras: Mapping[str, Camera]) -> None:
        """Continue with these settings of the cameras: the rule of the one that was crossed last decides on alerts."""
        self._cameras = cameras

    def judge(self, now_s: float) -> None:
        """Judge each venue once, at `now_s` in seconds since 1970.

        Raises:
            UnavailableError: MongoDB or Kafka does not answer.
        """
        if not self._limits:
            return
        if not self._loaded:
            known = self._checkpoints.of_partition(_PARTITION)
            self._delivery.deliver([(one.version, Outputs.decode(one.outputs)) for one in known], again=True)
            self._versions = {one.camera_id: one for one in known}
            self._loaded = True
        for venue, limit in self._limits.items():
            self._judge(venue, limit, now_s)

    def _judge(self, venue: str, limit: int, now_s: float) -> None:
        tallies = self._venues.tallies(venue)
        if not tallies:
            return
        before = self._versions.get(venue)
        last = max((tally.part for tally in tallies), key=lambda part: part.at_s)
        camera = self._cameras.get(last.camera_id) or Camera(last.camera_id)
        rules, level = AlertRules(self._settings.alert_cooldown_s, camera.rules, camera.time_zone), "normal"
        if before is not None:
            state = json.loads(before.state)
            level = state["level"]
            rules.resume(state["rules"])
        inside = inside_venue(venue, tallies, self._resets, now_s)
        now = level_of(inside, limit, level)
        if now == level:
            alerts = rules.tick(from_epoch_ms(round(1000 * now_s)))
            if alerts:
                self._write(venue, level, rules, Outputs(alerts=alerts))
            return
        at_s = max(last.at_s, int(self._resets.last_s(venue, now_s)), *(tally.reset_at_s for tally in tallies))
        event = Event(
            EventKind.CAPACITY_LEVEL,
            last.camera_id,
            from_epoch_ms(at_s * 1000),
            SourceOffset(f"venue {venue}", 0, before.version if before else 0),
            value={"venue": venue, "inside": inside, "limit": limit, "level": now, "before": level},
        )
        self._write(venue, now, rules, Outputs(events=[event], alerts=rules.on(event)))

    def _write(self, venue: str, level: str, rules: AlertRules, outputs: Outputs) -> None:
        """Write what a judgement changed, and deliver it."""
        before = self._versions.get(venue)
        state_now = json.dumps({"level": level, "rules": rules.state()}).encode()
        version = before.version + 1 if before else 1
        checkpoint = Checkpoint(_PARTITION, venue, version, 0, state_now, outputs.encode())
        self._loaded = False  # until all is written and delivered
        if not self._checkpoints.write([checkpoint]):
            self._delivery.deliver([(version, outputs)], again=False)
            self._versions[venue], self._loaded = checkpoint, True
