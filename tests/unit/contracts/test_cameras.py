"""The camera's document: every default, every refusal."""

import json
from typing import Any

import pytest

from contracts.cameras import Camera, Schedule
from contracts.errors import ContractError

WHOLE: dict[str, Any] = {
    "camera_id": "gate-1",
    "name": "North gate",
    "venue": "Arena",
    "source": {"url": "rtsp://camera/1", "fps": 5, "enabled": True, "still_fps": 1, "transport": "tcp"},
    "model": None,
    "classes": ["face"],
    "confidence_threshold": None,
    "max_age_ms": None,
    "zones": [
        {
            "name": "hall",
            "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]],
            "anchor": "center",
            "area_m2": None,
            "limit": 40,
            "roles": ["density", "queue", "restricted", "display", "exit", "ignore"],
            "schedule": [{"days": "mon-fri", "from": "22:00", "to": "06:00"}],
            "minimum_stay_s": 2,
        }
    ],
    "lines": [{"name": "door", "from": [0.5, 0], "to": [0.5, 1], "anchor": "center", "venue": "Arena"}],
    "ground_plane": {"image": [[0, 0], [1, 0], [1, 1], [0, 1]], "metres": [[0, 0], [8, 0], [6, -4], [2, 4.5]]},
    "distance_limit_m": 1.5,
    "rules": {
        "gathering": {"people": 8, "minimum_s": 10, "schedule": [{"days": "sat", "from": "10:00", "to": "12:00"}]},
        "distance": {"enabled": False},
    },
    "retention_days": 30,
    "blur_faces": False,
    "time_zone": "Europe/Berlin",
}


def test_the_whole_document_comes_back_as_it_was() -> None:
    assert Camera.from_dict(json.loads(json.dumps(WHOLE))).to_dict() == WHOLE


def test_everything_but_the_id_has_a_default() -> None:
    assert Camera.from_dict({"camera_id": "a"}) == Camera("a")
    assert Camera.from_dict(Camera("a").to_dict()) == Camera("a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zone": []}, "unknown key zone; known are camera_id, name, .*time_zone"),
        (
            {"zones": [{"name": "a", "polygon": [[0, 0], [1, 0], [1, 1]], "colour": 1}]},
            r"zones\[0\]: unknown key colour",
        ),
        (
            {"zones": [{"name": "a", "polygon": [[0, 0], [1, 1]]}]},
            "polygon: expected `array` of length >= 3",
        ),
        (
            {"zones": [{"name": "a", "polygon": [[0, 0], [2, 0], [1, 1]]}]},
            r"\.polygon\[1\]\[0\]: expected `float` <",
        ),
        (
            {"zones": [{"name": "a", "polygon": [[0, 0], [1, 0], [1, 1]], "roles": ["bar"]}]},
            r"zones\[0\]\.roles\[0\]: invalid enum value 'bar'",
        ),
        ({"zones": WHOLE["zones"] * 2}, "different names"),
        ({"zones": [WHOLE["zones"][0] | {"schedule": [{"from": "25:00"}]}]}, "such as 22:00"),
        ({"zones": [WHOLE["zones"][0] | {"schedule": [{"days": "someday"}]}]}, "mon-fri"),
        ({"lines": [{"name": "a", "from": [0, 0], "to": [0, 0]}]}, "should differ"),
        ({"lines": [{"name": "a", "from": [0, 0]}]}, r"lines\[0\]: object missing required field `to`"),
        ({"ground_plane": {"image": [[0, 0]], "metres": [[0, 0]]}}, "length >= 4"),
        ({"confidence_threshold": 2}, "confidence_threshold: expected `float` <= 1"),
        ({"max_age_ms": 1.5}, "max_age_ms: expected `int"),
        ({"blur_faces": "yes"}, "blur_faces: expected `bool`"),
        ({"time_zone": "Mars/Base"}, "Europe/Berlin"),
        ({"camera_id": " "}, "camera_id should be 1 to 200 characters"),
        ({"source": {"fps": 5}}, "source: object missing required field `url`"),
        ({"source": {"url": "rtsp://x/1", "speed": 1}}, "source: unknown key speed; known are url, fps, enabled"),
        ({"source": {"url": "rtsp://x/1", "transport": "carrier pigeon"}}, "transport: invalid enum value"),
        ({"camera_id": "a\0"}, "control characters"),
        ({"zones": [WHOLE["zones"][0] | {"name": "x" * 201}]}, "name: expected `str` of length <= 200"),
        ({"zones": [WHOLE["zones"][0] | {"name": "a\nb"}]}, "name should have no control characters"),
        ({"zones": [WHOLE["zones"][0] | {"limit": 2**63}]}, "limit: expected `int` <= "),
        ({"distance_limit_m": float("nan")}, "distance_limit_m: expected `float`"),
        ({"rules": {"riot": {}}}, "rules: invalid enum value 'riot'|riot"),
        ({"rules": {"gathering": {"crowd": 5}}}, r"rules\[...\]: unknown key crowd; known are enabled, schedule"),
        ({"source": "rtsp://x"}, "source: expected `object"),
    ],
)
def test_what_is_wrong_is_refused_and_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Camera.from_dict(WHOLE | change)


@pytest.mark.parametrize(
    ("weekday", "minute", "covered"),
    [
        (0, 22 * 60, True),
        (1, 5 * 60 + 59, True),
        (1, 6 * 60, False),
        (5, 60, True),
        (5, 23 * 60, False),
        (0, 60, False),
    ],
)
def test_a_schedule_goes_past_midnight(weekday: int, minute: int, covered: bool) -> None:
    assert Schedule("mon-fri", "22:00", "06:00").covers(weekday, minute) is covered


def test_days_can_wrap_and_list() -> None:
    assert Schedule("sat-mon,wed").weekdays() == {5, 6, 0, 2}
