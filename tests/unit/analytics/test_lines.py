"""Line crossings: once a passage, whatever trembles, breaks off or lies at the edge."""

import json

import pytest

from analytics.geometry import Anchor, Line
from analytics.lines import LineCounter, LineCrossing, NamedLine
from analytics.tracking import TrackEnd, TrackPoint

SIZE = (1000, 1000)
DOOR = NamedLine("door", Line((0.5, 0.0), (0.5, 1.0)))


def walk(counter: LineCounter, *xs: float, track_id: int = 1, fps: float = 5, end: bool = True) -> list[LineCrossing]:
    """Let a face of 50 px go along the middle of the picture and vanish; returns the crossings."""
    found = []
    for step, x in enumerate(xs):
        found += counter.update([TrackPoint(track_id, step / fps, x, 500, 50, 60, 0.9, 0)], [], 1 / fps)
    if end:
        velocity = (xs[-1] - xs[-2]) * fps
        last = TrackEnd(track_id, (len(xs) - 1) / fps, xs[-1], 500, velocity, 0, 50, 60)
        found += counter.update([], [last], 1 / fps)
    return found


@pytest.mark.parametrize(("xs", "direction"), [((600, 550, 470, 420), "in"), ((420, 470, 550, 600), "out")])
def test_a_passage_counts_once_with_its_direction_and_time(xs: tuple[float, ...], direction: str) -> None:
    (crossing,) = walk(LineCounter([DOOR], SIZE), *xs)
    assert (crossing.line, crossing.track_id, crossing.direction) == ("door", 1, direction)
    assert 0.2 < crossing.at_s < 0.4


def test_trembling_on_the_line_counts_nothing() -> None:
    assert not walk(LineCounter([DOOR], SIZE), 560, 520, 497, 503, 498, 504, 530, 560, 561)


def test_who_comes_back_is_counted_both_ways() -> None:
    assert [c.direction for c in walk(LineCounter([DOOR], SIZE), 600, 400, 600, 601)] == ["in", "out"]


def test_the_way_around_the_end_of_a_line_counts_nothing() -> None:
    counter = LineCounter([NamedLine("stub", Line((0.5, 0.0), (0.5, 0.3)))], SIZE)
    assert not walk(counter, 600, 550, 470, 420)


@pytest.mark.parametrize(
    ("line", "xs", "direction"),
    [
        (Line((0, 0), (0, 1)), (300, 200, 100, 20), "in"),
        (Line((0, 0), (0, 1)), (20, 100, 200, 300), "out"),
        (Line((1, 0), (1, 1)), (980, 900, 800, 700), "in"),
        (Line((0.99, 0), (0.99, 1)), (700, 800, 900, 970), "out"),
    ],
)
def test_a_line_at_the_edge_counts_who_comes_and_goes(line: Line, xs: tuple[float, ...], direction: str) -> None:
    assert [c.direction for c in walk(LineCounter([NamedLine("edge", line)], SIZE), *xs)] == [direction]


def test_who_stands_still_near_the_edge_has_not_left() -> None:
    assert not walk(LineCounter([NamedLine("edge", Line((0, 0), (0, 1)))], SIZE), 60, 60, 60, 60)


def test_the_feet_can_pass_where_the_face_does_not() -> None:
    line = Line((0.0, 0.525), (1.0, 0.525))
    for anchor, expected in ((Anchor.CENTER, 0), (Anchor.BOTTOM_CENTER, 1)):
        counter, found = LineCounter([NamedLine("step", line, anchor)], SIZE), []
        for step, y in enumerate((440, 470, 505, 510)):
            found += counter.update([TrackPoint(1, step / 5, 500, y, 50, 60, 0.9, 0)], [], 0.2)
        assert len(found) == expected


def test_a_counter_goes_on_from_its_state() -> None:
    counter = LineCounter([DOOR], SIZE)
    assert not walk(counter, 600, 550, 495, end=False)
    resumed = LineCounter([DOOR], SIZE)
    resumed.resume(json.loads(json.dumps(counter.state())))
    point = TrackPoint(1, 0.6, 440, 500, 50, 60, 0.9, 0)
    assert resumed.update([point], [], 0.2) == counter.update([point], [], 0.2) != []
