"""Which events are alerts, how urgent, and when they are over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from contracts.cameras import RuleSettings
from contracts.events import Alert, Event, EventKind, Severity
from contracts.times import from_rfc3339, to_rfc3339

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_LEVELS = {"full": Severity.WARNING, "over": Severity.CRITICAL}


@dataclass(frozen=True)
class _Rule:
    """`lasts` tells an alert that waits for its end from one that is over as soon as it is raised."""

    name: str
    severity: Severity
    message: Callable[[Event], str]
    lasts: bool = True


def _of_level(event: Event) -> str:
    count = event.value.get("count", event.value.get("inside"))
    place = event.zone or event.value.get("venue")
    return f"{count} people in {place}: {event.value['level']}"


def _of_skew(event: Event) -> str:
    skew_s = event.value["skew_s"]
    return f"The clock of {event.camera_id} is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}"


_RULES = {
    EventKind.DENSITY_LEVEL: _Rule("density", Severity.WARNING, _of_level),
    EventKind.CAPACITY_LEVEL: _Rule("capacity", Severity.WARNING, _of_level),
    EventKind.INTRUSION: _Rule("intrusion", Severity.CRITICAL, lambda event: f"Somebody is in {event.zone}"),
    EventKind.GATHERING: _Rule(
        "gathering", Severity.WARNING, lambda event: f"{event.value['people']} people have gathered"
    ),
    EventKind.DISPERSAL: _Rule(
        "dispersal", Severity.INFO, lambda _: "A crowd that had gathered has dispersed", lasts=False
    ),
    EventKind.DISTANCE: _Rule(
        "distance", Severity.INFO, lambda event: f"Two people stay {event.value['metres']:g} m apart", lasts=False
    ),
    EventKind.BOTTLENECK: _Rule(
        "bottleneck",
        Severity.CRITICAL,
        lambda event: f"{event.value['waiting']} people wait before {event.zone}, and hardly anybody gets out",
    ),
    EventKind.CAMERA_OFFLINE: _Rule(
        "camera_offline", Severity.WARNING, lambda event: f"{event.camera_id} sends nothing any more"
    ),
    EventKind.CLOCK_SKEW: _Rule("clock_skew", Severity.WARNING, _of_skew),
}
_ENDS = {
    EventKind.DISPERSAL: "gathering",
    EventKind.CLEARED: "bottleneck",
    EventKind.CAMERA_ONLINE: "camera_offline",
}


class AlertRules:
    """The alerts of one camera.

    While an alert goes on, its rule raises no other for the same zone, unless a more severe one. After it, the rule
    is quiet for the cool-down, counted from the last alert that was sent: what was held back does not prolong it.
    An alert that is held back, by the cool-down or by its rule's schedule, is raised once it may be and still holds.

    Args:
        cooldown_s: the cool-down.
        rules: the camera's own settings of each rule, by name.
        time_zone: in which their schedules hold.
    """

    def __init__(
        self, cooldown_s: float, rules: Mapping[Any, RuleSettings] | None = None, time_zone: str = "UTC"
    ) -> None:
        self._cooldown_s = cooldown_s
        self._rules = rules or {}
        self._zone = ZoneInfo(time_zone)
        self._going_on: dict[str, Alert] = {}
        self._held_back: dict[str, Event] = {}
        self._raised_by: dict[str, Event] = {}  # the event of each alert that goes on
        self._sent: dict[str, tuple[datetime, Severity]] = {}
        self._intruders: dict[str, list[int]] = {}

    def on(self, event: Event) -> list[Alert]:
        """Take an event; return the alerts that it raised or cleared."""
        changed = self._clear(event)
        rule = _RULES.get(event.kind)
        if rule is None:
            return changed
        severity = rule.severity
        if "level" in event.value:
            level = event.value["level"]
            if level not in _LEVELS:
                return changed
            severity = _LEVELS[level]
        if event.kind is EventKind.INTRUSION:
            self._intruders.setdefault(event.zone or "", []).append(event.track_id or 0)
        if event.kind is EventKind.CLOCK_SKEW and not event.value["is_wrong"]:
            return changed
        if event.kind is EventKind.DISPERSAL and event.value.get("gathered", 0) < (self._of(rule.name).people or 0):
            return changed
        key = f"{rule.name}/{event.zone or ''}"
        if key in self._going_on:
            return changed
        if self._is_quiet(key, severity, event.at) or not self._is_active(rule.name, event.at):
            if rule.lasts:
                self._held_back[key] = event
            return changed
        return [*changed, self._raise(key, rule, severity, event)]

    def _raise(self, key: str, rule: _Rule, severity: Severity, event: Event) -> Alert:
        self._held_back.pop(key, None)
        alert = Alert(
            rule=rule.name,
            severity=severity,
            camera_id=event.camera_id,
            message=rule.message(event),
            event_id=event.event_id,
            raised_at=event.at,
            zone=event.zone,
            cleared_at=None if rule.lasts else event.at,
        )
        self._sent[key] = event.at, severity
        if rule.lasts:
            self._going_on[key], self._raised_by[key] = alert, event
        return alert

    def follow(self, rules: Mapping[Any, RuleSettings], time_zone: str, at: datetime) -> list[Alert]:
        """Continue with other settings; return the alerts that this raises or clears."""
        self._rules, self._zone = rules, ZoneInfo(time_zone)
        return self.tick(at)

    def tick(self, at: datetime) -> list[Alert]:
        """Return the alerts that time alone raises or clears: by the rules' schedules, and the end of the cool-down."""
        changed = []
        for key, alert in list(self._going_on.items()):
            if not self._is_active(alert.rule, at):
                event = self._raised_by.get(key)
                changed += self._end(key, at)
                if event is not None:
                    self._held_back[key] = event
        for key, event in list(self._held_back.items()):
            rule = _RULES[event.kind]
            severity = _LEVELS.get(event.value.get("level", ""), rule.severity)
            if self._is_active(rule.name, at) and not self._is_quiet(key, severity, at):
                changed.append(self._raise(key, rule, severity, replace(event, at=at)))
        return changed

    def _of(self, rule: str) -> RuleSettings:
        return self._rules.get(rule) or RuleSettings()

    def _is_active(self, rule: str, at: datetime) -> bool:
        settings = self._of(rule)
        if not settings.enabled or not settings.schedule:
            return settings.enabled
        local = at.astimezone(self._zone)
        return any(one.covers(local.weekday(), 60 * local.hour + local.minute) for one in settings.schedule)

    def keep_zones(self, zones: set[str], at: datetime) -> list[Alert]:
        """Clear the alerts of zones that are no more."""
        gone = [key for key, alert in self._going_on.items() if alert.zone is not None and alert.zone not in zones]
        self._intruders = {zone: tracks for zone, tracks in self._intruders.items() if zone in zones}
        self._held_back = {
            key: event for key, event in self._held_back.items() if event.zone is None or event.zone in zones
        }
        return [cleared for key in gone for cleared in self._end(key, at)]

    def end(self, at: datetime) -> list[Alert]:
        """Clear all that goes on, and begin anew: the camera was taken away, or switched off."""
        self._sent, self._intruders, self._held_back = {}, {}, {}
        return [cleared for key in list(self._going_on) for cleared in self._end(key, at)]

    def _is_quiet(self, key: str, severity: Severity, at: datetime) -> bool:
        last = self._sent.get(key)
        if last is None or _RANK[severity] > _RANK[last[1]]:
            return False
        return abs((at - last[0]).total_seconds()) < self._cooldown_s  # the camera's clock may have been set back

    def _clear(self, event: Event) -> list[Alert]:
        """Return the alerts that the event ends."""
        zone = event.zone or ""
        if event.kind is EventKind.CLOCK_SKEW and not event.value["is_wrong"]:
            return self._end("clock_skew/", event.at)
        if event.kind in _ENDS:
            return self._end(f"{_ENDS[event.kind]}/{zone}", event.at)
        if event.kind is EventKind.ZONE_LEFT and event.track_id in self._intruders.get(zone, ()):
            self._intruders[zone] = [track_id for track_id in self._intruders[zone] if track_id != event.track_id]
            return [] if self._intruders[zone] else self._end(f"intrusion/{zone}", event.at)
        if event.kind in (EventKind.DENSITY_LEVEL, EventKind.CAPACITY_LEVEL):
            key = f"{_RULES[event.kind].name}/{zone}"
            going_on = self._going_on.get(key)
            if event.value["level"] not in _LEVELS:
                self._held_back.pop(key, None)
            if going_on is not None and _LEVELS.get(event.value["level"]) is not going_on.severity:
                return self._end(key, event.at)
        return []

    def _end(self, key: str, at: datetime) -> list[Alert]:
        alert = self._going_on.pop(key, None)
        self._held_back.pop(key, None)
        self._raised_by.pop(key, None)
        return [] if alert is None else [replace(alert, cleared_at=max(at, alert.raised_at))]

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        return {
            "going_on": {key: alert.encode().decode() for key, alert in self._going_on.items()},
            "sent": {key: [to_rfc3339(at), severity.value] for key, (at, severity) in self._sent.items()},
            "intruders": self._intruders,
            "held_back": {key: event.encode().decode() for key, event in self._held_back.items()},
            "raised_by": {key: event.encode().decode() for key, event in self._raised_by.items()},
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of other rules."""
        self._going_on = {key: Alert.decode(text.encode()) for key, text in state["going_on"].items()}
        self._sent = {key: (from_rfc3339(at), Severity(severity)) for key, (at, severity) in state["sent"].items()}
        self._intruders = {zone: list(tracks) for zone, tracks in state["intruders"].items()}
        self._held_back, self._raised_by = (
            {key: Event.decode(text.encode()) for key, text in state.get(name, {}).items()}
            for name in ("held_back", "raised_by")
        )
