"""What each key of a camera does to its analytics: the same people pass before cameras that differ in one key."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pymongo
import pytest
from kafka import KafkaProducer

from contracts.cameras import Camera
from contracts.times import to_rfc3339
from messaging.admin import ensure_topics
from settings import Settings
from storage.cameras import Cameras
from storage.client import connect
from tests.integration.workers.conftest import Fleet
from tests.integration.workers.test_analytics import until

FPS = 5
SECONDS = 75
NOW = datetime.now(timezone.utc)
ZONE: dict[str, Any] = {
    "name": "hall",
    "polygon": [[0.2, 0.1], [0.8, 0.1], [0.8, 0.6], [0.2, 0.6]],
    "roles": ["density", "queue", "restricted", "display"],
    "limit": 1,
}
DOOR: dict[str, Any] = {"name": "door", "from": [0.5, 0], "to": [0.5, 1], "venue": "Arena"}
BASE: dict[str, Any] = {"zones": [ZONE], "lines": [DOOR]}
AN_HOUR = [
    {
        "from": (NOW - timedelta(minutes=30)).strftime("%H:%M"),
        "to": (NOW + timedelta(minutes=30)).strftime("%H:%M"),
    }
]
LATER = [
    {
        "from": (NOW + timedelta(hours=2)).strftime("%H:%M"),
        "to": (NOW + timedelta(hours=3)).strftime("%H:%M"),
    }
]
LARGE = [[0, 0], [400, 0], [400, 400], [0, 400]]


def people(at_s: float) -> list[tuple[float, float]]:
    """One walks to the left through the hall, then two stand close together in its lower half."""
    walker = (1.05 - (at_s - 5) * 0.05, 0.3)
    pair = [(0.45, 0.85), (0.55, 0.85)] if 35 <= at_s < 55 else []
    return [one for one in (walker, *pair) if 0 < one[0] < 1]


def records(camera_id: str, start: datetime) -> Iterator[bytes]:
    for frame_id in range(FPS * SECONDS):
        at_s = frame_id / FPS
        at = to_rfc3339(start + timedelta(seconds=at_s))
        faces = [
            {
                "face_id": number,
                "bounding_box": {"x": round(x * 1280 - 22), "y": round(y * 720 - 28), "width": 44, "height": 56},
                "confidence": 0.9,
            }
            for number, (x, y) in enumerate(people(at_s))
        ]
        record = {
            "frame_id": frame_id,
            "total_faces": len(faces),
            "faces": faces,
            "camera_id": camera_id,
            "captured_at": at,
            "detected_at": at,
            "image": {"width": 1280, "height": 720},
            "model": {"name": "other", "version": "1", "confidence_threshold": 0.5},
            "status": "ok",
            "error": None,
            "inference_ms": 1.0,
            "source": {"topic": "other-detector", "partition": 0, "offset": frame_id},
            "schema_version": 1,
        }
        yield json.dumps(record).encode()


@dataclass
class Seen:
    """What the analytics have found of one camera."""

    events: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    venues: list[dict[str, Any]]

    def kinds(self, **of: Any) -> set[str]:
        return {one["kind"] for one in self.events if all(one[key] == value for key, value in of.items())}

    def rules(self) -> set[str]:
        return {one["rule"] for one in self.alerts}

    def directions(self) -> list[str]:
        return [one["direction"] for one in self.events if one["kind"] == "line_crossed"]


def zone(**changes: Any) -> dict[str, Any]:
    return {"zones": [ZONE | changes]}


def line(**changes: Any) -> dict[str, Any]:
    return {"lines": [DOOR | changes]}


def plane(**changes: Any) -> dict[str, Any]:
    near = [[0, 0], [4, 0], [4, 4], [0, 4]]
    return {"ground_plane": {"image": [[0, 0], [1, 0], [1, 1], [0, 1]], "metres": near} | changes}


LOWER = [[0.2, 0.32], [0.8, 0.32], [0.8, 0.6], [0.2, 0.6]]
"""Where the walker's middle never is, and his foot is."""
FAR_OFF = [[0.9, 0.9], [1, 0.9], [1, 1], [0.9, 1]]

Check = Callable[[Seen], bool]
EFFECTS: list[tuple[str, dict[str, Any], Check]] = [
    ("zones.name", zone(name="nave"), lambda seen: "zone_entered" in seen.kinds(zone="nave")),
    ("zones.polygon", zone(polygon=FAR_OFF), lambda seen: "zone_entered" not in seen.kinds()),
    ("zones.anchor: center", zone(polygon=LOWER), lambda seen: "zone_entered" not in seen.kinds()),
    ("zones.anchor", zone(polygon=LOWER, anchor="bottom_center"), lambda seen: "zone_entered" in seen.kinds()),
    ("zones.limit", zone(limit=None), lambda seen: "density_level" not in seen.kinds()),
    (
        "zones.area_m2",
        zone(area_m2=0.5),
        lambda seen: any(one["value"]["per_m2"] == 2 for one in seen.events if one["kind"] == "density_level"),
    ),
    ("zones.roles: density", zone(roles=["density"]), lambda seen: seen.kinds() & ROLE_KINDS == {"density_level"}),
    ("zones.roles: queue", zone(roles=["queue"]), lambda seen: seen.kinds() & ROLE_KINDS == {"queue_left"}),
    ("zones.roles: restricted", zone(roles=["restricted"]), lambda seen: seen.kinds() & ROLE_KINDS == {"intrusion"}),
    ("zones.roles: display", zone(roles=["display"]), lambda seen: seen.kinds() & ROLE_KINDS == {"engaged"}),
    (
        "zones.roles: ignore",
        {"zones": [ZONE | {"name": "mask", "polygon": [[0, 0], [1, 0], [1, 0.6], [0, 0.6]], "roles": ["ignore"]}]},
        lambda seen: "line_crossed" not in seen.kinds(),
    ),
    ("zones.schedule", zone(schedule=AN_HOUR), lambda seen: "intrusion" in seen.kinds()),
    ("time_zone", zone(schedule=AN_HOUR) | {"time_zone": "Etc/GMT-12"}, lambda seen: "intrusion" not in seen.kinds()),
    ("zones.minimum_stay_s", zone(minimum_stay_s=600), lambda seen: "intrusion" not in seen.kinds()),
    ("lines.name", line(name="gate"), lambda seen: "line_crossed" in seen.kinds(line="gate")),
    ("lines.from", line(**{"from": [0.5, 0.9]}), lambda seen: "line_crossed" not in seen.kinds()),
    ("lines.to", line(to=[0.5, 0.1]), lambda seen: "line_crossed" not in seen.kinds()),
    ("lines.anchor", line(to=[0.5, 0.31], anchor="bottom_center"), lambda seen: seen.directions() == []),
    ("lines.venue", line(venue="Hall"), lambda seen: [one["venue"] for one in seen.venues] == ["Hall"]),
    ("distance_limit_m", {"distance_limit_m": 0.1}, lambda seen: "distance" not in seen.kinds()),
    ("ground_plane.metres", plane(metres=LARGE), lambda seen: "distance" not in seen.kinds()),
    (
        "ground_plane.image",
        plane(image=[[0.45, 0.84], [0.5, 0.84], [0.5, 0.86], [0.45, 0.86]]),
        lambda seen: "distance" not in seen.kinds(),
    ),
    ("ground_plane: near", plane(), lambda seen: "distance" in seen.kinds()),
    (
        "rules.enabled",
        {"rules": {"intrusion": {"enabled": False}}},
        lambda seen: "intrusion" not in seen.rules() and "distance" in seen.rules(),
    ),
    ("rules.schedule", {"rules": {"distance": {"schedule": LATER}}}, lambda seen: "distance" not in seen.rules()),
    ("rules.schedule: now", {"rules": {"distance": {"schedule": AN_HOUR}}}, lambda seen: "distance" in seen.rules()),
    ("rules.people", {"rules": {"gathering": {"people": 2}}}, lambda seen: "gathering" in seen.kinds()),
    ("rules.minimum_s", {"rules": {"intrusion": {"minimum_s": 600}}}, lambda seen: "intrusion" not in seen.rules()),
]
ROLE_KINDS = {"density_level", "queue_left", "intrusion", "engaged"}


@pytest.fixture
def cameras(settings: Settings) -> Iterator[Cameras]:
    client = connect(settings)
    yield Cameras(client, settings)
    client.drop_database(settings.mongodb_database)
    client.close()


@pytest.mark.acts(
    "zones.name",
    "zones.polygon",
    "zones.anchor",
    "zones.area_m2",
    "zones.limit",
    "zones.roles",
    "zones.schedule",
    "zones.minimum_stay_s",
    "time_zone",
    "lines.name",
    "lines.from",
    "lines.to",
    "lines.anchor",
    "lines.venue",
    "distance_limit_m",
    "ground_plane.image",
    "ground_plane.metres",
    "rules.enabled",
    "rules.schedule",
    "rules.people",
    "rules.minimum_s",
)
def test_each_key_changes_what_the_analytics_find(
    fleet: Fleet, cameras: Cameras, foreign: KafkaProducer, settings: Settings
) -> None:
    ensure_topics(settings)
    start = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=SECONDS + 30)
    usual = {"distance", "line_crossed", *ROLE_KINDS}

    def is_usual(seen: Seen) -> bool:
        return seen.kinds() >= usual and seen.rules() >= {"distance", "intrusion"}

    cases = [("base", {}, is_usual), *EFFECTS]
    for name, change, _ in cases:
        cameras.put(Camera.from_dict({"camera_id": name, **BASE, **change}))
    fleet.start("analytics")
    for name, _, _ in cases:
        for value in records(name, start):
            foreign.send(settings.topic_faces, value, key=name.encode())
    foreign.flush()
    with pymongo.MongoClient(settings.mongodb_uri, tz_aware=True) as client:
        database = client[settings.mongodb_database]

        def seen(name: str) -> Seen:
            of = {"camera_id": name}
            return Seen(*(list(database[kind].find(of)) for kind in ("events", "alerts", "venues")))

        def analysed(name: str) -> bool:
            of = {"of.camera_id": name}
            return bool(database.occupancy.count_documents({**of, "at": {"$gte": start + timedelta(seconds=60)}}))

        until("all cameras are analysed", lambda: all(analysed(name) for name, _, _ in cases), 120)
        found = {name: seen(name) for name, _, _ in cases}
    failing = {
        name: (sorted(found[name].kinds()), found[name].directions()) for name, _, ok in cases if not ok(found[name])
    }
    assert failing == {}
