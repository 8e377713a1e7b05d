from dataclasses import replace
from datetime import timedelta

import pytest

from web.services.system import Pace, figures_of, lag_table


def test_the_lag_of_each_partition_is_put_together():
    samples = [
        ("crowdwatch_bridge_lag", {"topic": "uploads", "partition": "1"}, 4.0),
        ("crowdwatch_bridge_lag", {"topic": "frames", "partition": "10"}, 7.0),
        ("crowdwatch_bridge_in_flight", {"topic": "frames", "partition": "10"}, 3.0),
        ("crowdwatch_bridge_lag", {"topic": "frames", "partition": "2"}, 0.0),
        ("python_info", {}, 1.0),
    ]
    assert [tuple(row.values()) for row in lag_table(samples)] == [
        ("frames", 2, 0.0, None),
        ("frames", 10, 7.0, 3.0),
        ("uploads", 1, 4.0, None),
    ]


def test_what_a_role_counted_is_summed_over_its_labels():
    samples = [
        ("crowdwatch_sink_stored_total", {"status": "ok"}, 5.0),
        ("crowdwatch_sink_stored_total", {"status": "failed"}, 2.0),
        ("crowdwatch_sink_stored_created", {"status": "ok"}, 1e9),
        ("process_cpu_seconds_total", {}, 3.0),
    ]
    assert figures_of("sink-1", samples) == {"stored": 7.0}


def test_the_pace_is_that_of_the_last_half_minute(make_record):
    now_s = 100.0
    pace = Pace(lambda: now_s)
    assert pace.figures() == {"results_per_s": 0.0, "latency_s": None, "inference_s": None}
    record = make_record(1)
    late = replace(record, detected_at=record.captured_at + timedelta(seconds=2), inference_ms=40.0)
    for _ in range(30):
        pace.add(late)
    now_s = 110.0
    assert pace.figures() == pytest.approx({"results_per_s": 3.0, "latency_s": 2.0, "inference_s": 0.04})
    now_s = 141.0
    assert pace.figures()["results_per_s"] == 0.0
