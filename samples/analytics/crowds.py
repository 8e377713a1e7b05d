"""For each use a camera's settings and a crowd that shows what the use is for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from analytics.simulator import World, detect
from analytics.simulator.records import to_record
from analytics.simulator.scenes import crossing, gathering, intrusions, leaving, queueing
from contracts.cameras import Camera
from contracts.faces import FacesRecord, ImageSize
from contracts.offsets import SourceOffset

_FPS = 5
_IMAGE = ImageSize(1280, 720)
_EVERYWHERE = [[0, 0], [1, 0], [1, 1], [0, 1]]
_HALL = {"name": "hall", "polygon": [[0.2, 0], [0.8, 0], [0.8, 1], [0.2, 1]], "limit": 8}
_DOOR = {"name": "door", "from": [0.5, 0], "to": [0.5, 1]}
_ENTRANCE = {"from": [0.5, 1], "to": [0.5, 0], "venue": "Fair"}


@dataclass(frozen=True)
class Crowd:
    """A use, the settings of the camera that watches, the people, and where to ask for the answer.

    `others` are the other cameras of a use that needs several.
    """

    use: str
    settings: dict[str, Any]
    people: Callable[[], World]
    ask: str = ""
    others: tuple["Crowd", ...] = ()

    @property
    def path(self) -> str:
        """What to ask the web for."""
        return self.ask or f"/api/analytics/{self.use}?camera={self.camera.camera_id}&bucket=60"

    @property
    def camera(self) -> Camera:
        """The camera's document."""
        return Camera.from_dict({"camera_id": f"demo-{self.use}", **self.settings})

    def results(self, start_s: float) -> Iterator[FacesRecord]:
        """Return the results of a detector that errs, from a time on, as of another detector's topic."""
        camera_id = self.camera.camera_id
        for frame in detect(self.people(), _FPS, seed=1, start_s=start_s):
            record = to_record(frame, camera_id, _IMAGE)
            yield replace(record, source=SourceOffset(f"simulator-{self.use}", 0, frame.frame_id))


def _of(use: str, place: str) -> str:
    """The question about one zone or line."""
    return f"/api/analytics/{use}?camera=demo-{use}&{place}&bucket=60"


_NORTH = Crowd("capacity-north", {"lines": [{**_ENTRANCE, "name": "north"}]}, lambda: crossing(120, 14, 0.6))

CROWDS = {
    crowd.use: crowd
    for crowd in (
        Crowd(
            "density",
            {"zones": [{**_HALL, "roles": ["density"], "area_m2": 6.4}]},
            lambda: crossing(200, 3, 0.8),
            "/api/analytics/occupancy?camera=demo-density&zone=hall&bucket=60",
        ),
        Crowd(
            "capacity",
            {"lines": [{**_ENTRANCE, "name": "south"}]},
            lambda: crossing(120, 13, 0.6),
            "/api/analytics/flow?venue=Fair&bucket=60",
            (_NORTH,),
        ),
        Crowd(
            "restricted",
            {
                "zones": [
                    {
                        "name": "store",
                        "polygon": [[0.7, 0.6], [1, 0.6], [1, 1], [0.7, 1]],
                        "roles": ["restricted"],
                        "schedule": [{"days": "mon-sun", "from": "00:00", "to": "24:00"}],
                        "minimum_stay_s": 2,
                    }
                ]
            },
            lambda: intrusions(15, [40.0, 100.0, 170.0], 240.0, passers=50),
            "/api/events?camera=demo-restricted&kind=intrusion",
        ),
        Crowd(
            "flow",
            {"lines": [_DOOR]},
            lambda: crossing(150, 4, 0.7),
            _of("flow", "line=door"),
        ),
        Crowd(
            "dwell",
            {"zones": [_HALL]},
            lambda: crossing(150, 5, 0.7),
            _of("dwell", "zone=hall"),
        ),
        Crowd(
            "queue",
            {"zones": [{"name": "till", "polygon": _EVERYWHERE, "roles": ["queue"], "minimum_stay_s": 10}]},
            lambda: queueing(6, 420.0),
            _of("queue", "zone=till"),
        ),
        Crowd("heatmap", {}, lambda: queueing(7, 300.0)),
        Crowd("distancing", {"distance_limit_m": 1.2}, lambda: gathering(8, 6, 40.0, 150.0, 240.0)),
        Crowd(
            "engagement",
            {"zones": [{"name": "screen", "polygon": _EVERYWHERE, "roles": ["display"], "minimum_stay_s": 3}]},
            lambda: crossing(120, 9, 0.5),
            _of("engagement", "zone=screen"),
        ),
        Crowd("attendance", {}, lambda: crossing(150, 10, 0.6)),
        Crowd(
            "evacuation",
            {"zones": [{"name": "exit-west", "polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], "roles": ["exit"]}]},
            lambda: leaving(11, 240.0, (90.0, 140.0)),
        ),
        Crowd(
            "anomalies",
            {},
            lambda: intrusions(12, [100.0], 420.0, passers=90),
        ),
    )
}
