"""Cameras and hosts whose clocks are wrong: what is live, what is measured, which alerts are raised, what breaks."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.cameras import Camera, RuleSettings, Schedule
from contracts.errors import ContractError
from contracts.events import Alert, Event, EventKind, Severity
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, Status
from contracts.frames import Origin
from contracts.notifications import Notifications
from contracts.offsets import SourceOffset
from contracts.times import from_rfc3339
from settings import Settings
from workers.analytics.alerts import AlertRules
from workers.analytics.camera_run import CameraRun
from workers.notify import deliveries_of
from workers.steady_clock import SteadyClock

AT = from_rfc3339("2026-11-23T21:30:00Z")
AT_S = int(AT.timestamp())
SETTINGS = Settings(auth="off")
GATE: Mapping[str, Any] = {"camera_id": "gate-1", "source": {"url": "rtsp://camera/1"}}
FACE = Face(0, BoundingBox(20, 10, 12, 12), 0.9)
HOUR_S, DAY_S = 3600, 86_400


def result(number: int, at_s: float, received_s: float, origin: Origin = Origin.LIVE, **more: Any) -> FacesRecord:
    """A result of a frame that claims one time and came into the log at another, seconds after AT."""
    received_at = AT + timedelta(seconds=received_s)
    claims = AT + timedelta(seconds=at_s)
    is_wrong = at_s - received_s > 300
    return FacesRecord(
        SourceOffset(more.pop("topic", "frames"), 0, number),
        "gate-1",
        number,
        received_at if is_wrong else claims,
        received_at,
        Status.OK,
        more.pop("faces", ()),
        ImageSize(64, 48),
        origin=origin,
        received_at=received_at,
        claimed_at=claims if is_wrong else None,
    )


def run_of(camera: Mapping[str, Any] | None = GATE) -> CameraRun:
    return CameraRun("gate-1", None if camera is None else Camera.from_dict(camera), SETTINGS)


def kinds(run: CameraRun) -> list[str]:
    return [event.kind.value for event in run.outputs.events]


def send(
    run: CameraRun, times: Sequence[tuple[float, float, float]], origin: Origin = Origin.LIVE, **more: Any
) -> CameraRun:
    """Let a camera's results come: when each frame was taken, received and analysed, in seconds after AT."""
    for number, (taken_s, received_s, now_s) in enumerate(times):
        run.take(result(number, taken_s, received_s, origin, **more), AT_S + now_s)
    return run


def live(seconds: float, skew_s: float = 0.0, fps: float = 2.0) -> list[tuple[float, float, float]]:
    return [(n / fps + skew_s, n / fps + 0.1, n / fps + 0.3) for n in range(round(seconds * fps))]


@pytest.mark.parametrize("skew_s", [0.0, -20.0, -7 * HOUR_S, -40 * DAY_S, 200.0, 2 * HOUR_S])
@pytest.mark.parametrize("camera", [GATE, None])
def test_a_camera_is_live_whatever_its_clock_says(skew_s: float, camera: Mapping[str, Any] | None) -> None:
    run = send(run_of(camera), live(30, skew_s))
    restored = CameraRun.restore("gate-1", run.state(), SETTINGS)
    restored.follow(None if camera is None else Camera.from_dict(camera), AT_S + 30)
    for one in (run, restored):
        one.watch(AT_S + 40, AT_S)
        one.watch(AT_S + 70, AT_S)
        one.watch(AT_S + 71, AT_S)
        offline = [event for event in one.outputs.events if event.kind is EventKind.CAMERA_OFFLINE]
        assert len(offline) == 1
        assert offline[0].at == AT + timedelta(seconds=29.5 + 0.1 + 30), "by when its frames came, not by its clock"
        one.take(result(500, 100 + skew_s, 100.1), AT_S + 100.3)
        for number in range(501, 540):
            second = 100 + (number - 500) / 2
            one.take(result(number, second + skew_s, second + 0.1), AT_S + second + 0.3)
        assert "camera_online" in kinds(one)


@pytest.mark.parametrize(
    ("times", "origin", "topic"),
    [
        (live(30), Origin.UPLOAD, "frames"),
        (live(30), Origin.API, "frames"),
        (live(30), Origin.LIVE, "uploads"),
        ([(-HOUR_S + n, n / 100, n / 100) for n in range(600)], Origin.LIVE, "frames"),  # loaded in one go
        ([(-HOUR_S + n * 5, n, n) for n in range(60)], Origin.LIVE, "frames"),  # loaded at five times its pace
        ([(n - HOUR_S, n - HOUR_S, n / 10) for n in range(600)], Origin.LIVE, "frames"),  # a backlog of frames
        ([(n - DAY_S, n - DAY_S, 0.0) for n in range(600)], Origin.LIVE, "frames"),  # a backlog of results
    ],
)
def test_what_is_loaded_or_uploaded_is_never_offline(
    times: list[tuple[float, float, float]], origin: Origin, topic: str
) -> None:
    run = send(run_of(), times, origin, topic=topic)
    end_s = AT_S + times[-1][2]
    for later_s in (3, 40, 80):
        run.watch(end_s + later_s, AT_S)
    assert kinds(run) == []


@pytest.mark.parametrize("skew_s", [-7 * HOUR_S, -90.0, 70.0, 2 * HOUR_S, 3 * DAY_S])
def test_a_wrong_clock_is_measured_and_raises_an_alert_until_it_is_right(skew_s: float) -> None:
    run = send(run_of(), live(40, skew_s))
    assert [one.skew_s for one in run.outputs.clocks] == [pytest.approx(skew_s - 0.1, abs=0.01)]
    assert kinds(run) == ["clock_skew"]
    [alert] = run.outputs.alerts
    assert (alert.rule, alert.cleared_at) == ("clock_skew", None)
    assert f"{abs(skew_s - 0.1):.0f} s {'ahead' if skew_s > 0 else 'behind'}" in alert.message
    assert abs((alert.raised_at - AT).total_seconds()) < 40, "by the log's clock"
    restored = CameraRun.restore("gate-1", run.state(), SETTINGS)
    for number in range(60):
        restored.take(result(100 + number, 50 + number / 2, 50.1 + number / 2), AT_S + 50.3 + number / 2)
    assert [one.cleared_at is None for one in restored.outputs.alerts] == [False]
    assert restored.outputs.clocks[-1].skew_s == pytest.approx(-0.1)


@pytest.mark.parametrize("skew_s", [0.0, 30.0, -50.0])
def test_a_clock_that_is_about_right_raises_none(skew_s: float) -> None:
    assert kinds(send(run_of(), live(40, skew_s))) == []
    tight = {**GATE, "rules": {"clock_skew": {"minimum_s": 20}}}
    assert kinds(send(run_of(tight), live(40, skew_s))) == (["clock_skew"] if skew_s else [])


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S, DAY_S, -DAY_S])
def test_the_silence_of_a_camera_is_measured_while_the_hosts_clock_is_set(step_s: float) -> None:
    now = {"wall": float(AT_S), "monotonic": 5.0}
    clock = SteadyClock(lambda: now["wall"], lambda: now["monotonic"])
    run = run_of()
    for number in range(400):
        now["wall"] += 0.5 + (step_s if number == 100 else 0)
        now["monotonic"] += 0.5
        run.take(result(number, number / 2, number / 2 + 0.1), clock())
        run.watch(clock(), AT_S)
    assert kinds(run) == []
    for _ in range(70):
        now["wall"] += 0.5
        now["monotonic"] += 0.5
        run.watch(clock(), AT_S)
    assert kinds(run) == ["camera_offline"]


def test_the_steady_clock_catches_up_and_never_goes_back() -> None:
    now = [1000.0, 0.0]
    clock, read = SteadyClock(lambda: now[0], lambda: now[1]), []
    for number in range(2000):
        now[0] += 1 + {500: 60, 1200: -60}.get(number, 0)
        now[1] += 1
        read.append(clock())
    assert read[400] == 1401.0
    assert read[1150] == pytest.approx(1151 + 60 + 1000)
    assert read[-1] == pytest.approx(now[0])
    steps = [later - early for early, later in itertools.pairwise(read)]
    assert min(steps) >= 0.89 and max(steps) <= 1.11


def happened(kind: EventKind, at_s: float = 0, **about: Any) -> Event:
    return Event(kind, "gate-1", AT + timedelta(seconds=at_s), SourceOffset("frames", 0, 7), **about)


def level(name: str, at_s: float) -> Event:
    return happened(EventKind.DENSITY_LEVEL, at_s, zone="hall", value={"count": 9, "level": name, "before": "normal"})


def at(at_s: float) -> Any:
    return AT + timedelta(seconds=at_s)


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S, DAY_S, -DAY_S])
def test_a_cool_down_ends_for_a_clock_that_went_ahead_and_back(step_s: float) -> None:
    rules = AlertRules(60)

    def pair(at_s: float) -> list[Alert]:
        return rules.on(happened(EventKind.DISTANCE, at_s, track_id=round(at_s), value={"metres": 1.0}))

    assert pair(0) and not pair(30)
    assert pair(step_s) and not pair(step_s + 30)
    assert pair(90) and not pair(100)


def test_an_alert_that_the_cool_down_held_back_is_raised_when_it_ends_and_the_cause_still_holds() -> None:
    rules = AlertRules(60)
    assert rules.on(level("full", 0)) and rules.on(level("normal", 5))
    assert rules.on(level("full", 10)) == []
    restored = AlertRules(60)
    restored.resume(rules.state())
    assert restored.tick(at(59)) == []
    [raised] = restored.tick(at(61))
    assert (raised.raised_at, raised.cleared_at) == (at(61), None)
    assert [one.cleared_at for one in restored.on(level("normal", 70))] == [at(70)]
    restored.on(level("full", 75)), restored.on(level("normal", 80))
    assert restored.tick(at(200)) == [], "it is over"


def test_a_rule_that_is_disabled_raises_nothing_and_clears_what_is_open() -> None:
    rules = AlertRules(0)
    [raised] = rules.on(level("full", 0))
    [cleared] = rules.follow({"density": RuleSettings(enabled=False)}, "UTC", at(5))
    assert (cleared.alert_id, cleared.cleared_at) == (raised.alert_id, at(5))
    assert rules.on(level("over", 6)) == []
    [again] = rules.follow({}, "UTC", at(10))
    assert (again.severity, again.raised_at) == (Severity.CRITICAL, at(10))
    assert again.alert_id != raised.alert_id


def test_a_rule_holds_at_the_times_of_its_schedule_in_the_cameras_time_zone() -> None:
    night = RuleSettings(schedule=(Schedule("mon-sun", "22:00", "06:00"),))  # 21:00 to 05:00 UTC
    rules = AlertRules(0, {"density": night, "distance": night}, "Europe/Berlin")
    assert len(rules.on(level("full", 0))) == 1
    assert rules.on(happened(EventKind.DISTANCE, 1, track_id=1, value={"metres": 1.0}))
    assert rules.tick(at(7.4 * HOUR_S)) == []
    [cleared] = rules.tick(at(7.5 * HOUR_S))
    assert cleared.cleared_at == at(7.5 * HOUR_S)
    assert rules.on(happened(EventKind.DISTANCE, 8 * HOUR_S, track_id=2, value={"metres": 1.0})) == []
    [raised] = rules.tick(at(23.6 * HOUR_S))
    assert raised.raised_at == at(23.6 * HOUR_S), "it is still full when the next night begins"
    assert [one.cleared_at is None for one in rules.follow(rules._rules, "UTC", at(23.7 * HOUR_S))] == [False]


def crowd(people: int) -> tuple[Face, ...]:
    return tuple(Face(n, BoundingBox(4 + 8 * n, 20, 7, 8), 0.9) for n in range(people))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, True),
        ({"gathering": {"people": 7}}, False),
        ({"gathering": {"people": 6, "minimum_s": 20}}, False),
        ({"gathering": {"people": 6, "minimum_s": 8}}, True),
        ({"gathering": {"enabled": False}}, False),
    ],
)
def test_gatherings_follow_their_rule(rules: Mapping[str, Any], expected: bool) -> None:
    run = send(run_of({**GATE, "rules": rules}), live(15, fps=5), faces=crowd(6))
    assert ("gathering" in [alert.rule for alert in run.outputs.alerts]) is expected


@pytest.mark.parametrize(("minimum_s", "expected"), [(None, 3), (0.5, 1), (8, 8)])
def test_distances_last_as_their_rule_says(minimum_s: float | None, expected: float) -> None:
    rules = {} if minimum_s is None else {"distance": {"minimum_s": minimum_s}}
    run = send(run_of({**GATE, "rules": rules}), live(15, fps=5), faces=crowd(2))
    [event] = [event for event in run.outputs.events if event.kind is EventKind.DISTANCE]
    assert (event.at - AT).total_seconds() == pytest.approx(expected, abs=0.6)


def test_the_rule_of_intrusions_overrides_the_zones_minimum_stay_at_once() -> None:
    zone = {"name": "store", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "roles": ["restricted"], "minimum_stay_s": 50}
    run = send(run_of({**GATE, "zones": [zone]}), live(10, fps=5), faces=crowd(1))
    assert "intrusion" not in kinds(run)
    run.follow(Camera.from_dict({**GATE, "zones": [zone], "rules": {"intrusion": {"minimum_s": 5}}}), AT_S + 10)
    run.take(result(50, 10, 10.1, faces=crowd(1)), AT_S + 10.3)
    run.take(result(51, 10.2, 10.3, faces=crowd(1)), AT_S + 10.5)
    assert "intrusion" in kinds(run)


def test_silence_lasts_as_its_rule_says_and_raises_no_alert_when_disabled() -> None:
    for rules, silent_s, expected in (
        ({"camera_offline": {"minimum_s": 5}}, 6, ["camera_offline"]),
        ({"camera_offline": {"minimum_s": 90}}, 60, []),
        ({"camera_offline": {"enabled": False}}, 60, []),
    ):
        run = send(run_of({**GATE, "rules": rules}), live(10))
        run.watch(AT_S + 12, AT_S)
        run.watch(AT_S + 10 + silent_s, AT_S)
        run.watch(AT_S + 11 + silent_s, AT_S)
        assert [alert.rule for alert in run.outputs.alerts] == expected


@pytest.mark.parametrize("error", [ZeroDivisionError, OverflowError, RecursionError, AssertionError])
def test_analytics_that_fail_begin_anew_and_stop_no_other_camera(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = send(run_of(), live(10, fps=5), faces=crowd(3))
    broken = run._analytics
    monkeypatch.setattr(broken, "update", lambda record: (_ for _ in ()).throw(error("odd")))
    run.take(result(50, 10, 10.1, faces=crowd(3)), AT_S + 10.3)
    assert run._analytics is not broken
    assert run._analytics.next_id == broken.next_id == 4
    for number in range(51, 120):
        run.take(result(number, number / 5, number / 5 + 0.1, faces=crowd(3)), AT_S + number / 5)
    seconds = {one.at_s - AT_S for one in run.outputs.seconds if one.session == 1 and one.last == 3}
    assert len(seconds) >= 8


def test_a_state_that_cannot_be_read_is_refused_with_its_reason() -> None:
    state = send(run_of(), live(3)).state()
    for wrong in (b"", b"{}", state[:-9], b"\x00" * 50):
        with pytest.raises(ContractError):
            CameraRun.restore("gate-1", wrong, SETTINGS)


def test_alerts_of_a_camera_that_is_hours_behind_are_sent() -> None:
    known = Notifications.model_validate(
        {
            "channels": [{"name": "hook", "kind": "webhook", "url": "https://example.com/"}],
            "rules": [{"name": "all", "channels": ["hook"]}],
        }
    )
    alert = Alert("density", Severity.WARNING, "gate-1", "full", "e", AT - timedelta(hours=9))
    assert deliveries_of(alert, known, AT) == []
    assert len(deliveries_of(alert, known, AT, skew_s=-9 * 3600)) == 1
    fresh = replace(alert, raised_at=AT)
    for skew_s in (3600.0, 86_400.0, -86_400.0):
        assert len(deliveries_of(fresh, known, AT, skew_s)) == 1
