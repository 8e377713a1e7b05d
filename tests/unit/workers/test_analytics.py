"""What becomes of events and seconds: alerts with their ends and cool-downs, minutes, hours, gaps, venues, silence."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analytics.camera import FrameFacts
from analytics.occupancy import OccupancySecond
from analytics.uses.attendance import Counted
from contracts.camera_checks import WHOLE_PICTURE
from contracts.cameras import Camera
from contracts.events import Event, EventKind, Severity
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, Status
from contracts.offsets import SourceOffset
from contracts.times import from_epoch_ms, from_rfc3339
from settings import Settings
from workers.analytics.alerts import AlertRules
from workers.analytics.camera_run import CameraRun
from workers.analytics.outputs import Outputs
from workers.analytics.series import Series

AT = from_rfc3339("2026-11-23T21:30:00Z")
AT_S = int(AT.timestamp())
SOURCE = SourceOffset("frames", 0, 7)


def happened(kind: EventKind, at_s: float = 0, **about: Any) -> Event:
    return Event(kind, "gate-1", AT + timedelta(seconds=at_s), SOURCE, **about)


def level(name: str, at_s: float) -> Event:
    return happened(EventKind.DENSITY_LEVEL, at_s, zone="hall", value={"count": 9, "level": name, "before": "normal"})


def test_an_intrusion_ends_when_the_last_intruder_has_left() -> None:
    rules = AlertRules(60)
    (raised,) = rules.on(happened(EventKind.INTRUSION, zone="store", track_id=1))
    assert (raised.rule, raised.severity, raised.cleared_at) == ("intrusion", Severity.CRITICAL, None)
    assert rules.on(happened(EventKind.INTRUSION, 1, zone="store", track_id=2)) == []
    assert rules.on(happened(EventKind.ZONE_LEFT, 2, zone="store", track_id=1)) == []
    assert rules.on(happened(EventKind.ZONE_LEFT, 3, zone="hall", track_id=2)) == []
    (cleared,) = rules.on(happened(EventKind.ZONE_LEFT, 4, zone="store", track_id=2))
    assert cleared.alert_id == raised.alert_id
    assert cleared.cleared_at == AT + timedelta(seconds=4)


def test_the_cool_down_counts_from_the_last_alert_sent() -> None:
    rules = AlertRules(60)
    sent = [
        at_s
        for at_s in range(0, 200, 25)
        if rules.on(happened(EventKind.DISTANCE, at_s, track_id=at_s, value={"metres": 1.0}))
    ]
    assert sent == [0, 75, 150], "those held back at 25 and 50 do not prolong it"


def test_a_level_rises_through_the_cool_down_and_falls() -> None:
    rules = AlertRules(60)
    changes = [rules.on(level(name, at_s)) for at_s, name in enumerate(("busy", "full", "over", "full", "normal"))]
    told = [[(one.severity, one.cleared_at is None) for one in change] for change in changes]
    warning, critical = Severity.WARNING, Severity.CRITICAL
    assert told == [[], [(warning, True)], [(warning, False), (critical, True)], [(critical, False)], []]


def test_rules_go_on_after_a_restart_and_clear_zones_that_are_gone() -> None:
    rules, restarted = AlertRules(60), AlertRules(60)
    rules.on(level("full", 0))
    restarted.resume(rules.state())
    assert restarted.on(level("full", 10)) == []
    (cleared,) = restarted.keep_zones(set(), AT + timedelta(seconds=20))
    assert cleared.cleared_at == AT + timedelta(seconds=20)


def feed(series: Series, outputs: Outputs, seconds: range, count: int = 2, every: int = 1) -> None:
    for at_s in seconds:
        if at_s % every == 0:
            series.frame(FrameFacts(AT_S + at_s, 0.2, [(0.5, 0.5)], 1, Counted(1, 0, 0)), outputs)
        if at_s >= 3:
            for zone in ("hall", WHOLE_PICTURE):
                series.second(OccupancySecond(zone, AT_S + at_s - 3, count), outputs)


def test_seconds_add_up_to_minutes_and_hours() -> None:
    series, outputs = Series("gate-1"), Outputs()
    feed(series, outputs, range(200))
    minutes = [one for span, one in outputs.rollups if span == "minute" and one.zone is None]
    assert [(one.at_s - AT_S, one.seconds, one.people_s, one.tracks) for one in minutes] == [
        (0, 60, 120, 60),
        (60, 60, 120, 60),
        (120, 60, 120, 60),
    ]
    hours = [one for span, one in outputs.rollups if span == "hour" and one.zone is None]
    assert [one.seconds for one in hours] == [60, 120, 180]
    assert (
        sum(cells for heat in outputs.heats if heat.span == "minute" for cells in heat.cells.values()) == 3 * 60 * 200
    )


def test_a_gap_is_unknown_and_not_zero() -> None:
    series, outputs = Series("gate-1"), Outputs()
    feed(series, outputs, range(30))
    series.frame(FrameFacts(AT_S + 60.0, 0.2, [], 0, Counted()), outputs)
    for at_s in range(27, 60):
        series.second(OccupancySecond(WHOLE_PICTURE, AT_S + at_s, 0), outputs)
    known = [one.at_s - AT_S for one in outputs.seconds if one.zone is None]
    assert known == list(range(31))


def test_series_and_outputs_come_back_from_their_states() -> None:
    whole, first, second = (Series("gate-1") for _ in range(3))
    outputs, begun = Outputs(), Outputs()
    feed(whole, outputs, range(150))
    feed(first, begun, range(70))
    second.resume(first.state())
    rest = Outputs()
    feed(second, rest, range(70, 150))
    assert begun.seconds + rest.seconds == outputs.seconds
    assert second.state() == whole.state()
    assert Outputs.decode(outputs.encode()) == outputs


def record(at_s: float, now_s: float, topic: str = "frames") -> FacesRecord:
    at = from_epoch_ms(round(1000 * (now_s + at_s)))
    source = SourceOffset(topic, 0, round(10 * at_s))
    return FacesRecord(source, "gate-1", round(10 * at_s), at, at, Status.OK, (), ImageSize(64, 48))


@pytest.mark.parametrize(
    ("age_s", "topic", "enabled", "expected"),
    [
        (0, "frames", True, ["camera_offline"]),
        (900, "frames", True, []),
        (0, "uploads", True, []),
        (0, "frames", False, []),
    ],
)
def test_only_a_live_camera_can_be_offline(age_s: float, topic: str, enabled: bool, expected: list[str]) -> None:
    source = {"url": "rtsp://camera/1", "enabled": enabled}
    run = CameraRun("gate-1", Camera.from_dict({"camera_id": "gate-1", "source": source}), Settings(auth="off"))
    for number in range(20):
        run.take(record(number / 10, AT_S - age_s, topic), AT_S + number / 10)
    assert not run.watch(AT_S + 4, AT_S + 3), "it is not known for how long it is silent"
    run.watch(AT_S + 100, AT_S)
    run.watch(AT_S + 200, AT_S)
    assert [event.kind.value for event in run.outputs.events] == expected
    if expected:
        run.take(record(300, AT_S, topic), AT_S + 300)
        assert [event.kind.value for event in run.outputs.events] == ["camera_offline", "camera_online"]
        assert [alert.cleared_at is None for alert in run.outputs.alerts] == [True, False]


def test_the_silence_of_a_camera_that_was_removed_is_no_alarm_unless_it_went_on_sending() -> None:
    document = {"camera_id": "gate-1", "source": {"url": "rtsp://camera/1"}}
    run = CameraRun("gate-1", Camera.from_dict(document), Settings(auth="off"))
    for number in range(20):
        run.take(record(number / 10, AT_S), AT_S + number / 10)
    run.follow(None, AT_S + 2)
    run.watch(AT_S + 100, AT_S)
    run.watch(AT_S + 200, AT_S)
    assert run.outputs.events == []
    for number in range(10):
        run.take(record(300 + number / 10, AT_S), AT_S + 300 + number / 10)
    run.watch(AT_S + 400, AT_S)
    run.watch(AT_S + 401, AT_S)
    assert [event.kind.value for event in run.outputs.events] == ["camera_offline"]


@pytest.mark.parametrize(
    ("camera", "results", "expected"),
    [
        (Camera("gate-1"), 1, ["camera_offline"]),
        (None, 9, []),
        (None, 10, ["camera_offline"]),
    ],
)
def test_a_camera_with_a_document_is_live_from_its_first_result(
    camera: Camera | None, results: int, expected: list[str]
) -> None:
    settings = Settings(auth="off")
    run = CameraRun("gate-1", camera, settings)
    for number in range(results):
        run.take(record(number / 10, AT_S), AT_S + number / 10)
    restored = CameraRun.restore("gate-1", run.state(), settings)
    assert not restored.follow(camera, AT_S + 2)
    for one in (run, restored):
        one.watch(AT_S + 100, AT_S)
        one.watch(AT_S + 101, AT_S)
        assert [event.kind.value for event in one.outputs.events if event.kind.value.startswith("camera")] == expected


GATE = Camera.from_dict({"camera_id": "gate-1", "source": {"url": "rtsp://camera/1"}})
GATE_OFF = Camera.from_dict({"camera_id": "gate-1", "source": {"url": "rtsp://camera/1", "enabled": False}})


def silent_run() -> CameraRun:
    """A camera that sent for a second, and is offline."""
    run = CameraRun("gate-1", GATE, Settings(auth="off"))
    for number in range(10):
        run.take(record(number / 10, AT_S), AT_S + number / 10)
    watched(run, AT_S + 60)
    return run


def watched(run: CameraRun, at_s: float) -> CameraRun:
    """Watch its silence a few times, with a restart on the way."""
    for late_s in (0.0, 1.0):
        run.watch(at_s + late_s, AT_S)
    outputs, run = run.outputs, CameraRun.restore("gate-1", run.state(), Settings(auth="off"))
    run.outputs = outputs
    run.watch(at_s + 2, at_s)  # nobody listened before
    return run


def told(run: CameraRun) -> list[tuple[str, bool]]:
    """Return the alerts so far: the first of them is a, the second b; and whether it is told as cleared."""
    ids = list(dict.fromkeys(alert.alert_id for alert in run.outputs.alerts))
    return [("ab"[ids.index(alert.alert_id)], alert.cleared_at is not None) for alert in run.outputs.alerts]


def test_what_goes_on_of_a_camera_ends_when_it_is_taken_away_and_comes_again_when_it_is_put_back() -> None:
    run = silent_run()
    assert told(run) == [("a", False)]
    assert run.follow(None, AT_S + 70)
    run = watched(run, AT_S + 200)
    assert told(run) == [("a", False), ("a", True)]
    assert run.outputs.alerts[-1].cleared_at == AT + timedelta(seconds=70)
    assert run.follow(GATE, AT_S + 300)
    assert not run.watch(AT_S + 310, AT_S), "its silence counts from when it was put back"
    run = watched(run, AT_S + 340)
    assert told(run) == [("a", False), ("a", True), ("b", False)]
    assert run.outputs.alerts[-1].raised_at == AT + timedelta(seconds=330)
    run.take(record(400, AT_S), AT_S + 400)
    assert told(run)[3:] == [("b", True)]


def test_a_camera_with_a_document_of_defaults_is_taken_away_too() -> None:
    run = CameraRun("gate-1", Camera("gate-1"), Settings(auth="off"))
    run.take(record(0, AT_S), AT_S)
    watched(run, AT_S + 60)
    assert run.follow(None, AT_S + 70)
    assert not run.follow(None, AT_S + 71)
    watched(run, AT_S + 200)
    assert told(run) == [("a", False), ("a", True)]


def test_a_camera_that_is_switched_off_is_not_offline() -> None:
    run = silent_run()
    assert run.follow(GATE_OFF, AT_S + 70)
    run.take(record(70.5, AT_S), AT_S + 70.5)  # was on the way
    run = watched(run, AT_S + 80)
    assert told(run) == [("a", False), ("a", True)]
    assert run.follow(GATE, AT_S + 300)
    run = watched(run, AT_S + 302)
    assert told(run) == [("a", False), ("a", True)]
    run = watched(run, AT_S + 340)
    assert told(run)[2:] == [("b", False)]


def test_a_zone_that_is_full_when_its_camera_is_switched_off_is_told_again_when_it_is_on() -> None:
    zone = {"name": "hall", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "limit": 1}
    on, off = (
        Camera.from_dict({**camera.to_dict(), "camera_id": "gate-1", "zones": [zone]}) for camera in (GATE, GATE_OFF)
    )
    face = Face(0, BoundingBox(20, 10, 12, 12), 0.9)
    run, at_s = CameraRun("gate-1", on, Settings(auth="off")), 0.0

    def show(seconds: int) -> None:
        nonlocal at_s
        for _ in range(10 * seconds):
            at_s += 0.1
            run.take(replace(record(at_s, AT_S), faces=(face,)), AT_S + at_s)

    show(5)
    run.follow(off, AT_S + at_s)
    show(1)
    assert told(run) == [("a", False)]
    run.watch(AT_S + at_s + 3, AT_S)
    assert told(run) == [("a", False), ("a", True)]
    at_s += 100
    run.follow(on, AT_S + at_s)
    show(5)
    assert told(run) == [("a", False), ("a", True), ("b", False)]


def test_a_clock_that_is_set_back_overwrites_no_minute_hour_or_heat() -> None:
    series, outputs = Series("gate-1"), Outputs()
    feed(series, outputs, range(130))
    series.turn(outputs)
    feed(series, outputs, range(40, 200), count=3)
    whole = {(span, one.at_s - AT_S, one.session): one for span, one in outputs.rollups if one.zone is None}
    minutes = {key[1:]: one for key, one in whole.items() if key[0] == "minute"}
    assert {key: (one.seconds, one.people_s) for key, one in minutes.items()} == {
        (0, 0): (60, 120),
        (60, 0): (60, 120),
        (120, 0): (7, 14),
        (0, 1): (20, 60),
        (60, 1): (60, 180),
        (120, 1): (60, 180),
    }
    hours = [one for (span, _, _), one in whole.items() if span == "hour"]
    assert [(one.session, one.seconds) for one in hours] == [(0, 127), (1, 140)]
    tracks = sum(one.tracks for one in outputs.seconds)
    assert tracks == 130 + 157, "nobody is lost whose second was not final"
    heat = {(one.at_s, one.session): sum(one.cells.values()) for one in outputs.heats if one.span == "hour"}
    assert list(heat.values()) == [130 * 200, 140 * 200]
    restored = Series("gate-1")
    restored.resume(series.state())
    assert restored.state() == series.state()
