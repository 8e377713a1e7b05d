"""The answers of the analytics, events and alerts over HTTP, from what is stored."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from contracts.cameras import Camera
from contracts.events import Alert, Event, EventKind, Severity
from contracts.faces import FacesRecord, Status
from contracts.occupancy import Heat, Occupancy, VenuePart
from contracts.offsets import SourceOffset
from contracts.times import from_epoch_ms, from_rfc3339
from settings import Settings
from storage.alerts import Alerts
from storage.cameras import Cameras
from storage.client import connect
from storage.events import Events
from storage.heatmaps import Heatmaps
from storage.occupancy import OccupancyStore
from storage.results import Results
from storage.snapshots import Snapshot, Snapshots, Wanted
from storage.venues import Venues
from tests.integration.web.conftest import Web
from web.services.analytics import USES

AT = from_rfc3339("2026-11-23T21:30:00Z")
AT_S = int(AT.timestamp())
PERIOD = "camera=gate-1&from=2026-11-23T21:30:00Z&to=2026-11-23T21:33:00Z&bucket=30"
KEPT = {"occupancy_seconds_days": 10_000, "occupancy_minutes_days": 10_000}
SOURCE = SourceOffset("frames", 0, 7)


def second(at_s: int, count: int, zone: str | None = None, tracks: int = 0, joined: int = 0) -> Occupancy:
    pairs = count * (count - 1) // 2
    return Occupancy("gate-1", zone, AT_S + at_s, 1, *[count] * 4, pairs=pairs, tracks=tracks, joined=joined)


def happened(kind: EventKind, at_s: float, **about: Any) -> Event:
    return Event(kind, "gate-1", AT + timedelta(seconds=at_s), SOURCE, **about)


@pytest.fixture
def answer(web: Web, settings: Settings, request: pytest.FixtureRequest) -> Callable[..., Any]:
    client = connect(settings)
    request.addfinalizer(client.close)
    occupancy = OccupancyStore(client, settings.model_copy(update=KEPT))
    occupancy.ensure_indexes()
    seconds = [second(at_s, 2 if at_s < 30 else 0, zone) for at_s in range(60) for zone in (None, "hall")]
    occupancy.add_seconds(seconds, again=False)
    occupancy.add_seconds([second(60, 1, tracks=10, joined=2), *seconds[:20]], again=True)
    minute = Occupancy("gate-1", "hall", AT_S, 60, 60, 0, 2, 0, expected=5.0, score=-3.5)
    occupancy.put_rollups([("minute", minute, 2), ("minute", Occupancy("gate-1", "hall", AT_S, 1, 9, 9, 9, 9), 1)])
    Heatmaps(client, settings).put([(Heat("gate-1", "minute", AT_S, {0: 1500, 64 * 35 + 63: 500}), 1)])
    Venues(client, settings).put([(VenuePart("Arena", "gate-1", 5, 2, AT_S), 1), (VenuePart("Arena", "b", 1, 0, 0), 1)])
    events = [happened(EventKind.LINE_CROSSED, 1 + n, line="door", track_id=n, direction="in") for n in range(3)]
    events += [happened(EventKind.LINE_CROSSED, 40, line="door", track_id=9, direction="out")]
    events += [happened(EventKind.ZONE_ENTERED, n, zone="hall", track_id=n) for n in range(5)]
    events += [
        happened(EventKind.ZONE_LEFT, 20 + n, zone="hall", track_id=n, value={"dwell_s": 10.0 * (n + 1)})
        for n in range(10)
    ]
    for n, wait_s in enumerate((20.0, 40.0)):
        events += [happened(EventKind.QUEUE_JOINED, n, zone="hall", track_id=n)]
        events += [happened(EventKind.QUEUE_LEFT, 30 + n, zone="hall", track_id=n, value={"wait_s": wait_s})]
    events += [happened(EventKind.ENGAGED, 31, zone="hall", track_id=1, value={"seconds": 4.0})]
    events += [happened(EventKind.DISTANCE, 31, track_id=1, value={"metres": 1.0})]
    Events(client, settings).add(events)
    hall = {"name": "hall", "polygon": [[0, 0], [1, 0], [1, 1]], "roles": ["queue", "exit"]}
    door = {"name": "door", "from": [0.5, 0], "to": [0.5, 1], "venue": "Arena"}
    Cameras(client, settings).put(Camera.from_dict({"camera_id": "gate-1", "zones": [hall], "lines": [door]}))
    http = web.client()

    def get(path: str, status: int = 200, **headers: str) -> Any:
        got = http.get(path, headers=headers)
        assert got.status_code == status, got.get_data(as_text=True)
        return got.get_json() if got.is_json else got.get_data()

    return get


def test_each_use_answers(answer: Callable[..., Any]) -> None:
    found = {use: answer(f"/api/analytics/{use}?{PERIOD}&zone=hall") for use in USES}
    totals = {use: one["total"] for use, one in found.items()}
    assert totals["occupancy"] == {"mean": 1.0, "min": 0, "max": 2}
    assert [point["mean"] for point in found["occupancy"]["series"]] == [2.0, 0.0]
    assert totals["flow"] == {"in": 3, "out": 1, "inside": 2}
    assert [(point["in"], point["out"]) for point in found["flow"]["series"]] == [(3, 0), (0, 1), (0, 0)]
    assert totals["dwell"] == {"visits": 10, "mean_s": 55.0, "median_s": 55.0, "p90_s": 90.0}
    queue = totals["queue"]
    assert (queue["length"], queue["arrivals"], queue["served"], queue["wait_s"]) == (1.0, 2, 2, 30.0)
    assert queue["little_s"] == 30.0, "two people for half a minute, for each of the two who joined"
    assert queue["wait_low_s"] == pytest.approx(30 - 1.96 * 10, abs=0.1)
    assert totals["distancing"] == {"pairs": 1, "violations": 1}
    assert totals["engagement"] == {"viewers": 1, "mean_s": 4.0}
    assert totals["attendance"]["unique"] == 4, "of five tracks in the zone, as of all, eight of ten are new people"
    whole = answer(f"/api/analytics/attendance?{PERIOD}")["total"]
    assert whole["unique"] == 8
    assert whole["low"] < 8 < whole["high"]
    assert totals["evacuation"]["remaining"] == 0
    assert totals["evacuation"]["per_minute"] == {"hall": pytest.approx(10 / 3, abs=0.01)}
    assert totals["evacuation"]["cleared_at"] == "2026-11-23T21:30:30.000Z"
    assert totals["anomalies"] == {"score": -3.5, "expected": 5.0, "observed": 1.0}
    assert found["anomalies"]["bucket_s"] == 60
    assert totals["heatmap"] == {"person_s": 2.0}
    assert found["heatmap"]["cells"][0][0] == 1.5
    assert found["heatmap"]["cells"][35][63] == 0.5
    faded = answer(f"/api/analytics/heatmap?{PERIOD}&half_life=150")  # since the middle of that minute
    assert faded["cells"][0][0] == 0.75
    assert faded["total"] == {"person_s": 1.0}
    answer(f"/api/analytics/heatmap?{PERIOD}&half_life=0", status=400)
    for use, one in found.items():
        assert (one["use"], one["camera_id"], one["zone"]) == (use, "gate-1", "hall")


def test_a_venue_adds_up_its_cameras(answer: Callable[..., Any]) -> None:
    found = answer("/api/analytics/flow?venue=Arena&from=2026-11-23T21:30:00Z&to=2026-11-23T21:33:00Z&bucket=60")
    assert (found["venue"], found["camera_id"]) == ("Arena", None)
    assert found["total"] == {"in": 3, "out": 1, "inside": 4}


def test_other_shapes(answer: Callable[..., Any]) -> None:
    text = answer(f"/api/analytics/flow?{PERIOD}", Accept="text/csv").decode()
    assert text.splitlines()[:2] == ["at,in,out", "2026-11-23T21:30:00.000Z,3,0"]
    assert answer(f"/api/analytics/heatmap?{PERIOD}&format=csv").decode().splitlines()[1] == "0,0,1.5"
    assert "per_minute hall" in answer(f"/api/analytics/evacuation?{PERIOD}&format=csv").decode()
    png = answer(f"/api/analytics/heatmap?{PERIOD}", Accept="image/png")
    assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape == (540, 960, 3)


def test_nothing_known_is_no_zero(answer: Callable[..., Any]) -> None:
    found = answer("/api/analytics/occupancy?camera=other")
    assert (found["series"], found["total"], found["bucket_s"]) == ([], {"mean": None, "min": None, "max": None}, 30)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("flow?camera=gate-1&from=soon", 400),
        ("flow?camera=gate-1&from=2026-11-23T21:30:00Z&to=2026-11-23T21:30:00Z", 400),
        ("flow?camera=gate-1&from=2026-11-23T21:30:00&to=2026-11-23T21:31:00Z", 400),
        ("flow?camera=gate-1&from=2020-11-23T21:30:00Z&bucket=60", 400),
        ("flow?camera=gate-1&from=2026-11-20T21:30:00Z&to=2026-11-23T21:31:00Z&bucket=90", 400),
        ("flow?camera=gate-1&bucket=0", 400),
        ("flow", 400),
        ("astrology?camera=gate-1", 404),
        ("flow?camera=gate-1&from=2026-11-23T22:30:00+01:00&to=2026-11-23T21:31:00Z", 200),
    ],
)
def test_questions_that_are_none(answer: Callable[..., Any], path: str, status: int) -> None:
    found = answer(f"/api/analytics/{path}", status)
    assert ("error" in found) == (status >= 400)


def test_events_come_newest_first(answer: Callable[..., Any]) -> None:
    pages, cursor = [], ""
    while cursor is not None:
        page = answer(f"/api/events?camera=gate-1&limit=7{cursor and '&cursor='}{cursor}")
        pages.append(page["items"])
        cursor = page["next"]
    items = [event for page in pages for event in page]
    assert len(items) == 25
    assert len({event["event_id"] for event in items}) == 25
    assert [event["at"] for event in items] == sorted((event["at"] for event in items), reverse=True)
    assert len(answer("/api/events?kind=line_crossed")["items"]) == 4
    assert len(answer("/api/events?from=2026-11-23T21:30:40Z&to=2026-11-23T21:31:00Z")["items"]) == 1
    answer("/api/events?cursor=x", 400)


def test_an_alert_is_acknowledged_once(answer: Callable[..., Any], web: Web, settings: Settings) -> None:
    client = connect(settings)
    alerts = Alerts(client, settings)
    alert = Alert("intrusion", Severity.CRITICAL, "gate-1", "Somebody is in hall", "e", AT, zone="hall")
    cleared = Alert(**{**vars(alert), "cleared_at": AT + timedelta(seconds=5)})
    alerts.put([alert])
    alerts.put([cleared])
    alerts.put([alert])
    client.close()
    (found,) = answer("/api/alerts?camera=gate-1&kind=intrusion")["items"]
    assert (found["cleared_at"], found["acknowledged_at"]) == ("2026-11-23T21:30:05.000Z", None)
    http = web.client()
    first = http.post(f"/api/alerts/{alert.alert_id}/ack").get_json()
    again = http.post(f"/api/alerts/{alert.alert_id}/ack").get_json()
    assert first["acknowledged_by"]
    assert first["acknowledged_at"] == again["acknowledged_at"]
    assert http.post("/api/alerts/none/ack").status_code == 404


def test_long_periods_are_read_from_rollups(answer: Callable[..., Any], settings: Settings) -> None:
    client = connect(settings)
    store = OccupancyStore(client, settings)
    day_s = AT_S // 86400 * 86400
    store.put_rollups(
        [("hour", Occupancy("gate-1", None, day_s + 3600 * n, 3600, 3600 * n, 0, n, n), 1) for n in (1, 3)]
    )
    client.close()
    found = answer(
        "/api/analytics/occupancy?camera=gate-1&from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z&bucket=3600"
    )
    assert [(point["at"][11:13], point["mean"]) for point in found["series"]] == [("01", 1.0), ("03", 3.0)]
    assert found["total"] == {"mean": 2.0, "min": 0, "max": 3}
    assert from_epoch_ms(1000 * day_s).hour == 0


def test_what_two_sessions_of_a_camera_say_of_one_time_is_added_up(
    answer: Callable[..., Any], settings: Settings
) -> None:
    client = connect(settings)
    store, hour_s = OccupancyStore(client, settings.model_copy(update=KEPT)), AT_S // 3600 * 3600
    first = Occupancy("gate-2", None, hour_s, 3600, 3600, 0, 4, 1)
    later = Occupancy("gate-2", None, hour_s, 1200, 3600, 1, 9, 3, session=1)
    store.put_rollups([("hour", first, 1), ("hour", later, 2)])
    seconds = [replace(one, seconds=1, people_s=one.last, least=one.last, most=one.last) for one in (first, later)]
    store.add_seconds(seconds[:1], again=False)
    store.add_seconds(seconds, again=True)
    found = [store.read(span, "gate-2", None, AT - timedelta(hours=1), AT) for span in ("hour", "second")]
    client.close()
    assert [[(one.seconds, one.people_s, one.least, one.most) for one in spans] for spans in found] == [
        [(4800, 7200, 0, 9)],
        [(2, 4, 1, 3)],
    ]


def test_an_alert_shows_the_frame_that_raised_it(
    answer: Callable[..., Any], web: Web, settings: Settings, producer: Any
) -> None:
    _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 200, np.uint8))
    source = producer.send(settings.topic_frames, jpeg.tobytes(), key=b"gate-1").result(10)
    client = connect(settings)
    event = Event(EventKind.INTRUSION, "gate-1", AT, source, zone="hall", track_id=1)
    Events(client, settings).add([event])
    alert = Alert("intrusion", Severity.CRITICAL, "gate-1", "Somebody is in hall", event.event_id, AT, zone="hall")
    Alerts(client, settings).put([alert])
    path = f"/api/alerts/{alert.alert_id}/picture"
    answer(path, 404)
    result = FacesRecord(source, "gate-1", 1, AT, AT, Status.OK)
    for other in ({"captured_at": AT + timedelta(seconds=5)}, {"camera_id": "gate-2"}):
        Results(client, settings).replace_many([replace(result, **other)])
        answer(path, 404)
    Results(client, settings).replace_many([result])
    client.close()
    assert answer(path) == jpeg.tobytes()
    answer("/api/alerts/none/picture", 404)


def test_the_picture_of_an_alert_outlives_the_log(answer: Callable[..., Any], settings: Settings) -> None:
    _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 200, np.uint8))
    event = Event(EventKind.INTRUSION, "gate-1", AT, SourceOffset(settings.topic_frames, 0, 10**9), zone="hall")
    alert = Alert("intrusion", Severity.CRITICAL, "gate-1", "Somebody is in hall", event.event_id, AT, zone="hall")
    client = connect(settings)
    Events(client, settings).add([event])
    Alerts(client, settings).put([alert])
    answer(f"/api/alerts/{alert.alert_id}/picture", 404)
    snapshots, wanted = Snapshots(client, settings), Wanted(alert.alert_id, "gate-1", AT, event.source)
    snapshots.want([wanted], AT)
    assert snapshots.claim(AT, 10, 60) == wanted
    snapshots.keep(alert.alert_id, Snapshot("gate-1", jpeg.tobytes(), (), blurred=True))
    client.close()
    assert answer(f"/api/alerts/{alert.alert_id}/picture") == jpeg.tobytes()


def test_a_venue_is_reset_by_hand_and_that_is_audited(answer: Callable[..., Any], web: Web, settings: Settings) -> None:
    http = web.client()
    done = http.post("/api/venues/Arena/reset")
    assert (done.status_code, done.get_json()["inside_before"]) == (200, 4)
    flow = "/api/analytics/flow?venue=Arena&from=2026-11-23T21:30:00Z&to=2026-11-23T21:33:00Z&bucket=60"
    assert answer(flow)["total"] == {"in": 3, "out": 1, "inside": 0}
    client = connect(settings)
    Venues(client, settings).put([(VenuePart("Arena", "gate-1", 7, 3, AT_S + 1), 2)])
    client.close()
    assert answer(flow)["total"]["inside"] == 1, "what came after the reset counts"
    assert http.post("/api/venues/Nowhere/reset").status_code == 404
    (entry,) = [one for one in http.get("/api/audit").get_json()["items"] if "venues" in one["where"]]
    assert entry["detail"]["inside_before"] == 4
