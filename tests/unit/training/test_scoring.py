"""The scorer, by pictures small enough to count by hand, and what is built on it."""

import re
from pathlib import Path

import numpy as np
import pytest

from detection import Detections
from detection.darknet.cfg import read_network
from detection.darknet.weights import read_kernels
from tests.unit.detection import darknet_files as files
from training.calibrate_scores import best_threshold, shift_scores
from training.curves import Axis, draw_curves
from training.evaluate import Evaluation, write_report
from training.scoring import SIZES, Curve, Operation, Scored, operate, precision_recall


def scored(found: dict[tuple[int, int, int], float], faces: list[tuple[int, int, int]], ignored=()) -> Scored:
    """Squares as (left, top, side) in a picture of 416 by 300."""

    def boxes(squares) -> np.ndarray:
        return np.array([(x, y, x + side, y + side) for x, y, side in squares], np.float32).reshape(-1, 4)

    order = sorted(found, key=lambda box: -found[box])
    confidence = np.array([found[box] for box in order], np.float32)
    return Scored(
        Detections(boxes(order), confidence, np.zeros(len(order), np.int64), 416, 300), boxes(faces), boxes(ignored)
    )


def test_average_precision_is_the_area_under_the_interpolated_curve() -> None:
    picture = scored(
        {(0, 0, 30): 0.9, (200, 0, 30): 0.8, (100, 0, 30): 0.7},  # right, wrong, right; one face is missed
        [(0, 0, 30), (100, 0, 30), (300, 0, 30)],
    )

    curve = precision_recall([picture], "all")

    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert curve.recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert curve.average_precision == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_a_face_is_found_once() -> None:
    picture = scored({(0, 0, 30): 0.9, (2, 0, 30): 0.8}, [(0, 0, 30)])

    assert operate([picture], 0.5).precision == 0.5


def test_other_sizes_and_ignored_regions_count_neither_for_nor_against() -> None:
    picture = scored(
        {(0, 0, 100): 0.9, (200, 0, 12): 0.8, (300, 0, 40): 0.7, (350, 100, 5): 0.6},
        [(0, 0, 100), (200, 0, 12), (350, 100, 5)],
        ignored=[(290, 0, 60)],
    )

    assert {size: precision_recall([picture], size).faces for size in ("all", "small", "medium", "large")} == {
        "all": 2,
        "small": 1,
        "medium": 0,
        "large": 1,
    }
    assert precision_recall([picture], "small").average_precision == 1
    assert operate([picture], 0.5).precision == 1
    assert operate([picture], 0.5).count_error == 0
    assert operate([picture], 0.85).count_error == 1


def test_sizes_are_those_in_416_pixels() -> None:
    picture = scored({}, [(0, 0, 30)])
    larger = Scored(Detections.empty(832, 600), picture.faces, picture.ignored)

    assert precision_recall([larger], "small").faces == 1


def test_the_threshold_of_least_count_error() -> None:
    pictures = [scored({(0, 0, 30): 0.45, (200, 0, 30): 0.25}, [(0, 0, 30)]) for _ in range(3)]

    assert 0.25 < best_threshold(pictures) < 0.45


def test_shifted_scores_give_one_half_where_they_gave_the_threshold() -> None:
    network = read_network(files.small().encode(), "net.cfg")
    weights = files.random_weights(files.small())

    shifted = shift_scores(weights, network, "net.weights", 0.3)

    before, after = (read_kernels(data, network, "net.weights") for data in (weights, shifted))
    differences = {index: after[index].bias - before[index].bias for index in before}
    changed = [index for index, difference in differences.items() if difference.any()]
    assert len(changed) == 2, "the heads"
    for index in changed:
        by_anchor = differences[index].reshape(2, 6)
        np.testing.assert_allclose(by_anchor[:, 4], np.log(0.7 / 0.3), rtol=1e-5)
        assert not np.delete(by_anchor, 4, axis=1).any()
        np.testing.assert_array_equal(after[index].weights, before[index].weights)


def test_curves_are_drawn_with_their_names() -> None:
    svg = draw_curves(Axis("recall", 0, 1), Axis("precision", 0.5, 1), {"<one>": [(0.0, 1.0), (1.0, 0.5)]})

    assert svg.startswith("<svg")
    assert "&lt;one&gt;" in svg
    assert 'points="52.0,26.0 624.0,368.0"' in svg


def test_a_curve_keeps_its_shape_when_most_finds_bring_no_recall() -> None:
    rising = [(share / 10, 1.0 - share / 50) for share in range(11)]
    useless = [(1.0, 10 / (10 + wrong)) for wrong in range(10_000)]

    svg = draw_curves(Axis("recall", 0, 1), Axis("precision", 0.5, 1), {"one": rising + useless})

    (path,) = re.findall(r'points="([^"]*)"', svg)
    assert 11 <= len(path.split()) <= 13


def test_inputs_of_a_network_are_one_line_and_what_is_far_worse_lies_on_the_edge(tmp_path: Path) -> None:
    def detector(name: str, average_precision: float, ms: float) -> Evaluation:
        curve = Curve(np.array([0.9]), np.array([average_precision]), np.array([1.0]), 1)
        return Evaluation(name, dict.fromkeys(SIZES, curve), Operation(0.5, 1.0, 1.0, 0.0, 1.0), ms)

    write_report([detector("a at 416", 0.9, 10), detector("a at 512", 0.95, 15), detector("b", 0.3, 80)], tmp_path)

    svg = (tmp_path / "accuracy-time.svg").read_text()
    assert [len(path.split()) for path in re.findall(r'points="([^"]*)"', svg)] == [2, 1]
    assert re.findall(r'font-size="9"[^>]*>([^<]*)<', svg) == ["416", "512", "0.30 in 80 ms"]
