"""Which events are alerts, how urgent, and when they are over."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

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
    """

    def __init__(self, cooldown_s: float) -> None:
        self._cooldown_s = cooldown_s
        self._going_on: dict[str, Alert] = {}
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
        key = f"{rule.name}/{event.zone or ''}"
        if key in self._going_on or self._is_quiet(key, severity, event.at):
            return changed
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
            self._going_on[key] = alert
        return [*changed, alert]

    def keep_zones(self, zones: set[str], at: datetime) -> list[Alert]:
        """Clear the alerts of zones that are no more."""
        gone = [key for key, alert in self._going_on.items() if alert.zone is not None and alert.zone not in zones]
        self._intruders = {zone: tracks for zone, tracks in self._intruders.items() if zone in zones}
        return [cleared for key in gone for cleared in self._end(key, at)]

    def end(self, at: datetime) -> list[Alert]:
        """Clear all that goes on, and begin anew: the camera was taken away, or switched off."""
        self._sent, self._intruders = {}, {}
        return [cleared for key in list(self._going_on) for cleared in self._end(key, at)]

    def _is_quiet(self, key: str, severity: Severity, at: datetime) -> bool:
        last = self._sent.get(key)
        if last is None or _RANK[severity] > _RANK[last[1]]:
            return False
        return (at - last[0]).total_seconds() < self._cooldown_s

    def _clear(self, event: Event) -> list[Alert]:
        """Return the alerts that the event ends."""
        zone = event.zone or ""
        if event.kind in _ENDS:
            return self._end(f"{_ENDS[event.kind]}/{zone}", event.at)
        if event.kind is EventKind.ZONE_LEFT and event.track_id in self._intruders.get(zone, ()):
            self._intruders[zone] = [track_id for track_id in self._intruders[zone] if track_id != event.track_id]
            return [] if self._intruders[zone] else self._end(f"intrusion/{zone}", event.at)
        if event.kind in (EventKind.DENSITY_LEVEL, EventKind.CAPACITY_LEVEL):
            key = f"{_RULES[event.kind].name}/{zone}"
            going_on = self._going_on.get(key)
            if going_on is not None and _LEVELS.get(event.value["level"]) is not going_on.severity:
                return self._end(key, event.at)
        return []

    def _end(self, key: str, at: datetime) -> list[Alert]:
        alert = self._going_on.pop(key, None)
        return [] if alert is None else [replace(alert, cleared_at=max(at, alert.raised_at))]

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        return {
            "going_on": {key: alert.encode().decode() for key, alert in self._going_on.items()},
            "sent": {key: [to_rfc3339(at), severity.value] for key, (at, severity) in self._sent.items()},
            "intruders": self._intruders,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of other rules."""
        self._going_on = {key: Alert.decode(text.encode()) for key, text in state["going_on"].items()}
        self._sent = {key: (from_rfc3339(at), Severity(severity)) for key, (at, severity) in state["sent"].items()}
        self._intruders = {zone: list(tracks) for zone, tracks in state["intruders"].items()}
