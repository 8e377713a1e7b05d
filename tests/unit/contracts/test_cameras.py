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
    "source": {"url": "rtsp://camera/1", "fps": 5, "enabled": True},
    "model": None,
    "confidence_threshold": None,
    "max_age_ms": None,
    "zones": [
        {
            "name": "hall",
            "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]],
            "anchor": "center",
            "area_m2": None,
            "limit": 40,
            "roles": ["density", "queue", "restricted", "display", "exit"],
            "schedule": [{"days": "mon-fri", "from": "22:00", "to": "06:00"}],
            "minimum_stay_s": 2,
        }
    ],
    "lines": [{"name": "door", "from": [0.5, 0], "to": [0.5, 1], "anchor": "center", "venue": "Arena"}],
    "ground_plane": {"image": [[0, 0], [1, 0], [1, 1], [0, 1]], "metres": [[0, 0], [8, 0], [6, -4], [2, 4.5]]},
    "distance_limit_m": 1.5,
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
        ({"zones": [{"name": "a", "polygon": [[0, 0], [1, 1]]}]}, "3 to 100 corners"),
        ({"zones": [{"name": "a", "polygon": [[0, 0], [0.5, 0.5], [1, 1]]}]}, "an area"),
        ({"zones": [{"name": "a", "polygon": [[0, 0], [2, 0], [1, 1]]}]}, "within 0 to 1"),
        ({"zones": [{"name": "a", "polygon": [[0, 0], [1, 0], [1, 1]], "roles": ["bar"]}]}, "one of density, queue"),
        ({"zones": WHOLE["zones"] * 2}, "different names"),
        ({"zones": [WHOLE["zones"][0] | {"schedule": [{"from": "25:00"}]}]}, "such as 22:00"),
        ({"zones": [WHOLE["zones"][0] | {"schedule": [{"days": "someday"}]}]}, "mon-fri"),
        ({"lines": [{"name": "a", "from": [0, 0], "to": [0, 0]}]}, "should differ"),
        ({"lines": [{"name": "a", "from": [0, 0]}]}, "to should be a point"),
        ({"ground_plane": {"image": [[0, 0]], "metres": [[0, 0]]}}, "4 points"),
        ({"confidence_threshold": 2}, "from 0 to 1"),
        ({"max_age_ms": 1.5}, "whole number"),
        ({"blur_faces": "yes"}, "true or false"),
        ({"time_zone": "Mars/Base"}, "Europe/Berlin"),
        ({"camera_id": " "}, "camera_id should be a text"),
        ({"source": {"fps": 5}}, "url should be a text"),
        ({"source": "rtsp://x"}, "expected an object"),
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
